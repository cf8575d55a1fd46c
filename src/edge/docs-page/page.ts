// Draws openapi.json. Everything that comes from it is set as text, never as HTML.
import type { Media, OpenApi, Operation, Schema } from "./openapi-types.ts";

const byId = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;

type Child = Node | string;

function element(tag: string, ...children: readonly Child[]): HTMLElement {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

function quiet(text: string): HTMLElement {
  const made = element("span", text);
  made.className = "quiet";
  return made;
}

/** What a schema takes, in a few words: `string or null`, `"drop" or "wait"`, `list of number`. */
function kindOf(schema: Schema): string {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map(kindOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.$ref) return schema.$ref.split("/").at(-1) ?? "";
  if (schema.type === "array" && schema.items) return `list of ${kindOf(schema.items)}`;
  return schema.type ?? "anything";
}

/** The schema that has the members: itself, or what it lists or offers. */
function withMembers(schema: Schema, components: Readonly<Record<string, Schema>>): Schema | undefined {
  if (schema.$ref) return components[schema.$ref.split("/").at(-1) ?? ""];
  if (schema.properties) return schema;
  const inner = [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  return inner.find((option) => option !== undefined && withMembers(option, components) !== undefined);
}

function members(schema: Schema, components: Readonly<Record<string, Schema>>): Child[] {
  const described = withMembers(schema, components);
  if (!described) return [];
  if (!described.properties) return members(described, components);
  const rows = Object.entries(described.properties).map(([name, member]) => {
    const need = described.required?.includes(name) ? "" : ", optional";
    const words = member.description ? ` ${member.description}` : "";
    return element(
      "li",
      element("code", name),
      quiet(` ${kindOf(member)}${need}`),
      words,
      ...members(member, components),
    );
  });
  return [element("ul", ...rows)];
}

function contentOf(
  content: Readonly<Record<string, Media>> = {},
  components: Readonly<Record<string, Schema>>,
): Child[] {
  return Object.entries(content).map(([type, { schema }]) => {
    const kind = type.endsWith("json") ? ` ${kindOf(schema)}` : "";
    return element("div", element("code", type), quiet(kind), ...members(schema, components));
  });
}

function table(title: string, rows: readonly (readonly (readonly Child[])[])[]): Child[] {
  if (rows.length === 0) return [];
  const lines = rows.map((cells) => element("tr", ...cells.map((cell) => element("td", ...cell))));
  return [element("h4", title), element("table", element("tbody", ...lines))];
}

/** A line for the shell. */
function curlLine(method: string, path: string, { parameters, requestBody }: Operation): string {
  const query = parameters.filter((one) => one.in === "query" && one.required).map(({ name }) => `${name}=…`);
  const url = `"$G${path}${query.length > 0 ? `?${query.join("&")}` : ""}"`;
  const types = Object.keys(requestBody?.content ?? {});
  const body = types.includes("application/json") ? " --json '{…}'" : types.length > 0 ? " --data-binary @FILE" : "";
  const isUsual = method === (body ? "post" : "get");
  return `curl ${isUsual ? "" : `-X ${method.toUpperCase()} `}${url}${body}`;
}

function draw(
  method: string,
  path: string,
  operation: Operation,
  components: Readonly<Record<string, Schema>>,
): HTMLElement {
  const parameters = operation.parameters.map(({ name, in: where, required, description = "", schema }) => [
    [element("code", name)],
    [quiet(`${where}, ${kindOf(schema)}${required ? "" : ", optional"}`)],
    [description],
  ]);
  const answers = Object.entries(operation.responses).map(([status, { description, content }]) => [
    [element("code", status)],
    [description, ...contentOf(content, components)],
  ]);
  const body = contentOf(operation.requestBody?.content, components);
  const made = element(
    "details",
    element("summary", element("b", method.toUpperCase()), element("code", path), element("span", operation.summary)),
    element(
      "div",
      element("pre", curlLine(method, path, operation)),
      ...table("Parameters", parameters),
      ...(body.length > 0 ? [element("h4", "Body"), ...body] : []),
      ...table("Answers", answers),
    ),
  );
  made.id = operation.operationId;
  return made;
}

function show({ info, paths, components }: OpenApi): void {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const sections = [...Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? "")].map(([tag, ofTag]) => {
    const drawn = ofTag.map(({ method, path, operation }) => draw(method, path, operation, components.schemas));
    return element("section", element("h2", tag), ...drawn);
  });
  byId("version").textContent = info.version;
  const source = element("a", "openapi.json");
  source.setAttribute("href", "openapi.json");
  byId("about").replaceChildren(`${info.description} The same for machines: `, source);
  byId("operations").replaceChildren(...sections);
  byId("search").hidden = false;
}

/** Hides what does not have the words. */
function find(words: string): void {
  const wanted = words.toLowerCase().split(/\s+/);
  for (const section of document.querySelectorAll("section")) {
    const operations = [...section.querySelectorAll("details")];
    for (const one of operations) {
      const text = one.textContent.toLowerCase();
      one.hidden = !wanted.every((word) => text.includes(word));
    }
    section.hidden = operations.every((one) => one.hidden);
  }
}

/** The token stays in this page's memory. */
async function load(token: string | undefined): Promise<void> {
  const response = await fetch("openapi.json", { headers: token === undefined ? {} : { "X-Access-Token": token } });
  byId("access").hidden = response.status !== 401;
  if (response.ok) return show((await response.json()) as OpenApi);
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; hint?: string };
  byId("about").textContent = [problem.detail ?? `HTTP ${response.status}`, problem.hint].filter(Boolean).join("; ");
}

function tryLoad(token?: string): void {
  load(token).catch((error: unknown) => (byId("about").textContent = String(error)));
}

byId<HTMLFormElement>("access").addEventListener("submit", (event) => {
  event.preventDefault();
  tryLoad(byId<HTMLInputElement>("token").value);
});
byId<HTMLInputElement>("find").addEventListener("input", () => find(byId<HTMLInputElement>("find").value));
tryLoad();
