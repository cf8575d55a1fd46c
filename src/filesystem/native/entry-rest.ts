import type { NativeEntry } from "../../contracts/native-files.ts";
import type { Entry, FileTime } from "../types.ts";

const KIND_MASK = 0o170000;
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;
/** Kinds by the bits of a mode, and the letters that `ls` has for them. */
const KINDS: Readonly<Record<number, readonly [NativeEntry["type"], string]>> = {
  0o100000: ["file", "-"],
  0o040000: ["directory", "d"],
  0o120000: ["symlink", "l"],
  0o010000: ["fifo", "p"],
  0o140000: ["socket", "s"],
  0o020000: ["device", "c"],
  0o060000: ["device", "b"],
};
const UNKNOWN = ["unknown", "?"] as const;

/** An entry as `/v1/files` tells it. */
export function nativeEntry(entry: Entry): NativeEntry {
  const { name, path, sizeBytes: size, ownMode, owner, group, symlinkTarget, metadata } = entry;
  const [type] = kindOf(ownMode);
  return {
    name,
    path,
    type,
    size,
    mode: modeText(ownMode),
    permissions: lsPermissions(ownMode),
    owner,
    group,
    links: entry.linkCount,
    modifiedAt: entry.modifiedTime ? timeText(entry.modifiedTime) : null,
    ...(symlinkTarget !== undefined && { target: symlinkTarget, targetType: entry.type }),
    ...(Object.keys(metadata).length > 0 && { metadata: { ...metadata } }),
  };
}

/** What `HEAD` and `GET` tell besides the usual headers. */
export function entryHeaders(entry: Entry): Record<string, string> {
  const [type] = kindOf(entry.ownMode);
  return {
    "Guestd-File-Type": type,
    "Guestd-File-Mode": modeText(entry.ownMode),
    "Guestd-File-Owner": encodeURI(entry.owner),
    "Guestd-File-Group": encodeURI(entry.group),
  };
}

/** A line as of `ls -la`. Control characters in names are shown as `ls -b` shows them: a name never makes two lines. */
export function lsLine(entry: Entry): string {
  const { ownMode, linkCount, owner, group, sizeBytes, modifiedTime, symlinkTarget } = entry;
  const columns = [
    lsPermissions(ownMode),
    String(linkCount).padStart(3),
    owner.padEnd(8),
    group.padEnd(8),
    String(sizeBytes).padStart(10),
    modifiedTime ? lsTime(modifiedTime) : "?".padEnd(LS_TIME_LENGTH),
  ];
  const target = symlinkTarget === undefined ? "" : ` -> ${escaped(symlinkTarget)}`;
  return `${columns.join(" ")} ${escaped(entry.name)}${target}\n`;
}

const LS_TIME_LENGTH = "2026-11-28 16:00".length;

/** RFC 3339 with all nine digits. */
function timeText({ seconds, nanoseconds }: FileTime): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, "YYYY-MM-DDThh:mm:ss".length);
  return `${whole}.${String(nanoseconds).padStart(9, "0")}Z`;
}

function lsTime({ seconds }: FileTime): string {
  return new Date(seconds * 1000).toISOString().slice(0, LS_TIME_LENGTH).replace("T", " ");
}

function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

/** `drwxrwxrwt`, `-rwsr-xr-x`. */
export function lsPermissions(mode: number): string {
  const [, letter] = kindOf(mode);
  const special = [mode & SETUID, mode & SETGID, mode & STICKY];
  const triples = special.map((isSpecial, index) => {
    const bits = (mode >> (6 - 3 * index)) & 0o7;
    const read = (bits & 4) === 0 ? "-" : "r";
    const write = (bits & 2) === 0 ? "-" : "w";
    const canExecute = (bits & 1) !== 0;
    if (!isSpecial) return read + write + (canExecute ? "x" : "-");
    const mark = index === 2 ? "t" : "s";
    return read + write + (canExecute ? mark : mark.toUpperCase());
  });
  return letter + triples.join("");
}

function kindOf(mode: number): readonly [NativeEntry["type"], string] {
  return KINDS[mode & KIND_MASK] ?? UNKNOWN;
}

function escaped(name: string): string {
  // oxlint-disable-next-line no-control-regex -- these are the ones to show
  return name.replaceAll(/[\x00-\x1f\x7f\\]/g, (character) => {
    if (character === "\\") return "\\\\";
    return `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
}
