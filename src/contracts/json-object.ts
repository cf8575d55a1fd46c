import * as v from "valibot";

/** Variables by name. */
export function stringMap(): v.RecordSchema<v.StringSchema<undefined>, v.StringSchema<undefined>, undefined> {
  return noList(v.record(v.string(), v.string()));
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
