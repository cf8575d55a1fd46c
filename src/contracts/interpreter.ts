import * as v from "valibot";
import { InterruptionMembers } from "./runs.ts";
import { noList, stringMap } from "./json-object.ts";

/** An empty string is as good as absent. */
const Selector = v.pipe(
  v.nullish(v.string()),
  v.transform((text) => text || undefined),
);

/** Body of `POST /execute`; unknown members are ignored, nothing is coerced. `timeout_ms` is guestd's own. */
export const ExecuteBody = noList(
  v.object({
    code: v.string(),
    context_id: Selector,
    language: Selector,
    env_vars: v.nullish(stringMap()),
    timeout_ms: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(1))),
  }),
);

/** Body of `POST /contexts`. */
export const CreateContextBody = noList(v.object({ language: Selector, cwd: Selector }));

export const Context = v.object({ id: v.string(), language: v.string(), cwd: v.string() });
/** Answer of `POST /contexts/{id}/interrupt`: what the native one says, in this face's spelling. */
export const Interruption = v.object({
  outcome: InterruptionMembers.outcome,
  state_kept: InterruptionMembers.stateKept,
});
export const ContextList = v.array(Context);
