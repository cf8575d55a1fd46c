import type { DescMethod } from "@bufbuild/protobuf";

/** A method of a service, whose descriptor is made once somebody calls it: those of a service take a while, and no start is to wait for them. */
export interface LateMethod<M extends DescMethod> {
  path: `/${string}`;
  describe: () => M;
}

/** The methods of the service that is called `service` on the wire; `describe` gives what the generated code has of them, by the same names. */
export function lateMethods<M extends Readonly<Record<string, DescMethod>>>(
  service: string,
  describe: () => M,
): { readonly [Name in keyof M]: LateMethod<M[Name]> } {
  // Which they are is known to the descriptors alone, and to the compiler.
  return new Proxy({} as { [Name in keyof M]: LateMethod<M[Name]> }, {
    get: (_, name: string): LateMethod<M[string]> => ({
      path: `/${service}/${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      describe: () => describe()[name] as M[string],
    }),
  });
}
