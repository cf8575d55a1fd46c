import { isIP } from "node:net";
import { resolve } from "node:path";
import * as v from "valibot";
import { noList, stringMap } from "./json-object.ts";
import { Switch } from "./runs.ts";
import { mustBe } from "./shown-value.ts";

/** Query of `GET /health`. */
export const HealthQuery = v.object({ ready: v.optional(Switch) });

/** `server:/directory`; no word of an option. */
const NFS_TARGET = /^[^\s:,-][^\s:,]*:\/[^\p{Cc}]*$|^\[[\da-fA-F:.]+\]:\/[^\p{Cc}]*$/u;
const MAX_VOLUMES = 100;

const Volume = v.object({
  nfs_target: v.pipe(v.string(), v.maxLength(4096), v.regex(NFS_TARGET, mustBe("server:/directory"))),
  path: v.pipe(
    v.string(),
    v.maxLength(4095),
    v.regex(/^\/[^\p{Cc}]*$/u, mustBe("an absolute path")),
    v.check((path) => resolve(path) !== "/", "must not be /"),
  ),
});

/** Body of `POST /init`. Unknown members are ignored; null is as good as absent. */
export const InitBody = noList(
  v.object({
    accessToken: v.nullish(v.pipe(v.string(), v.nonEmpty(), v.regex(/^[^\\]*$/, "must hold no backslash"))),
    envVars: v.nullish(stringMap()),
    timestamp: v.nullish(v.pipe(v.string(), v.check(isTime, mustBe("an RFC 3339 time such as 2026-11-29T10:00:00Z")))),
    defaultUser: v.nullish(v.string()),
    defaultWorkdir: v.nullish(v.string()),
    hyperloopIP: v.nullish(v.pipe(v.string(), v.check(isAddress, mustBe("an IPv4 or IPv6 address")))),
    lifecycleID: v.nullish(v.string()),
    caBundle: v.nullish(v.string()),
    volumeMounts: v.nullish(v.pipe(v.array(Volume), v.maxLength(MAX_VOLUMES))),
  }),
);

/** Empty is as good as absent. What belongs to one interface cannot be in a URL. */
function isAddress(text: string): boolean {
  return text === "" || (isIP(text) > 0 && !text.includes("%"));
}

/** `Date.parse` alone would take a year for one, too. */
function isTime(text: string): boolean {
  const [, day, time, zone] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/i.exec(text) ?? [];
  return !Number.isNaN(Date.parse(`${day}T${time}${zone?.toUpperCase()}`));
}
