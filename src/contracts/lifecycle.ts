import * as v from "valibot";
import { noList, stringMap } from "./json-object.ts";
import { Switch } from "./runs.ts";

/** Query of `GET /health`. */
export const HealthQuery = v.object({ ready: v.optional(Switch) });

/** Body of `POST /init`. Unknown members are ignored; null is as good as absent. */
export const InitBody = noList(
  v.object({
    accessToken: v.nullish(v.pipe(v.string(), v.nonEmpty(), v.regex(/^[^\\]*$/, "must hold no backslash"))),
    envVars: v.nullish(stringMap()),
    timestamp: v.nullish(
      v.pipe(
        v.string(),
        v.check((text) => !Number.isNaN(Date.parse(text.replace(/\.\d+/, ""))), "must be an RFC 3339 time"),
      ),
    ),
    defaultUser: v.nullish(v.string()),
    defaultWorkdir: v.nullish(v.string()),
  }),
);
