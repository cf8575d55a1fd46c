import * as v from "valibot";

/** Anything that can be an argument of a program. */
export const Argument = v.pipe(v.string(), v.regex(/^[^\0]*$/, "must be without NUL"));
export const Text = v.pipe(Argument, v.nonEmpty());
/** What git would take for an option is none of what it is meant to be. */
export const Word = v.pipe(
  Text,
  v.check((text) => !text.startsWith("-"), "must not begin with -"),
);
/** One name, and no refspec: with + or : it would say more than it seems to. */
export const Branch = v.pipe(Word, v.regex(/^[^+:][^:]*$/, "must be a name without : and without + in front"));
/** The name of a remote. An address goes with a clone; here it would be in git's arguments, with what secrets it has. */
export const Remote = v.pipe(
  Word,
  v.regex(/^(?!\/)(?!.*\.\.)[^:@]+$/s, "must be the name of a remote: without : and @ and .. and no / in front"),
);
export const User = v.optional(
  v.pipe(v.string(), v.description("whose repository this is; Basic authentication says it too")),
);
export const Path = v.pipe(Text, v.description("absolute, or relative to the user's home"));
export const Timeout = v.optional(
  v.pipe(v.number(), v.integer(), v.minValue(1), v.description("git is ended after this long; ms")),
);
/** Of a repository; a call takes it for a name, whatever git would see in it. */
export const File = v.pipe(Text, v.description("a file or directory by its name: no pattern"));
export const Flag = v.optional(v.boolean());
export const Place = { path: Path, user: User, timeoutMs: Timeout };

const Name = v.pipe(v.string(), v.regex(/^[^<>\p{Cc}]+$/u, "must be without < and > and control characters"));
export const Author = v.optional(
  v.pipe(v.strictObject({ name: Name, email: Name }), v.description("also the committer; as configured unless given")),
);
