/** A line of `/proc/self/mountinfo`. */
export interface MountedFileSystem {
  /** Which directory of the file system is shown at `point`. */
  root: string;
  point: string;
  type: string;
  /** A device, or what a server calls it. */
  source: string;
  /** Those of the file system, not of this mount. */
  options: readonly string[];
}

/** All mounts in the order in which they were made: a later one hides an earlier one at the same point. */
export function parseMountInfo(text: string): MountedFileSystem[] {
  return text.split("\n").flatMap((line) => {
    const [mount = "", fileSystem = ""] = line.split(" - ");
    const [, , , root, point] = mount.split(" ");
    const [type = "", source = "", options = ""] = fileSystem.split(" ");
    if (root === undefined || point === undefined) return [];
    return [
      { root: unescaped(root), point: unescaped(point), type, source: unescaped(source), options: options.split(",") },
    ];
  });
}

/** Blanks and the like are written as `\040`. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
