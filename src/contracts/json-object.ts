import * as v from "valibot";

/** Names that valibot leaves out of records; variables may be called so. */
const LEFT_OUT = ["__proto__", "constructor", "prototype"];

/** Variables by name. */
export function stringMap(): v.RecordSchema<v.StringSchema<undefined>, v.StringSchema<undefined>, undefined> {
  const schema = noList(v.record(v.string(), v.string()));
  const run: (typeof schema)["~run"] = (dataset, config) => {
    const input = dataset.value;
    const result = schema["~run"](dataset, config);
    for (const name of LEFT_OUT) if (isOwn(input, name)) put(result, { name, value: input[name], config });
    return result;
  };
  return { ...schema, "~run": run };
}

function isOwn(input: unknown, name: string): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && !Array.isArray(input) && Object.hasOwn(input, name);
}

function put(
  result: v.OutputDataset<Record<string, string>, v.BaseIssue<unknown>>,
  { name, value, config }: { name: string; value: unknown; config: v.Config<v.BaseIssue<unknown>> },
): void {
  const { issues } = v.string()["~run"]({ value }, config);
  if (issues) Object.assign(result, { typed: false, issues: [...(result.issues ?? []), ...issues] });
  else if (result.value)
    Object.defineProperty(result.value, name, { value, enumerable: true, configurable: true, writable: true });
}

/** As `schema`, which takes objects, but a list is not one. */
export function noList<S extends v.GenericSchema>(schema: S): S {
  const run: S["~run"] = (dataset, config) => {
    if (!Array.isArray(dataset.value)) return schema["~run"](dataset, config);
    v._addIssue(schema as never, "type", dataset, config);
    return dataset as never;
  };
  return { ...schema, "~run": run };
}
