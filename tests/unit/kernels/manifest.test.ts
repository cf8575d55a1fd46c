import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readManifests } from "../../../src/kernels/manifest.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

let folder = "";
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "guestd-manifest-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const MINIMAL = {
  languages: [{ name: "toy" }],
  interpreters: ["toy"],
  probe: ["{interpreter}"],
  command: ["{interpreter}", "{folder}/main"],
  fix: "install toy",
};

function write(name: string, manifest: unknown): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "kernel.json"), typeof manifest === "string" ? manifest : JSON.stringify(manifest));
}

describe("manifests", () => {
  test("are read in order of their folders, with defaults for what they leave out", () => {
    write("zeta", MINIMAL);
    write("alpha", { ...MINIMAL, env: { A: "1" }, textUnits: "lines" });
    expect(readManifests(folder).map(({ kernel }) => kernel)).toEqual(["alpha", "zeta"]);
    expect(readManifests(folder)[1]).toEqual({
      ...MINIMAL,
      kernel: "zeta",
      folder: join(folder, "zeta"),
      languages: [{ name: "toy", aliases: [], isDefault: false, args: [] }],
      env: {},
      textUnits: "writes",
      forkServer: [],
      coldVariables: [],
      spares: "never",
    });
  });

  test("are looked for in folders only; one without a manifest is no kernel", () => {
    write("toy", MINIMAL);
    mkdirSync(join(folder, "docs"));
    writeFileSync(join(folder, "PROTOCOL.md"), "");
    expect(readManifests(folder)).toHaveLength(1);
  });

  test.each([
    ["no JSON", "{", /JSON/],
    ["no object", "[]", /the manifest must be an object/],
    ["no languages", { ...MINIMAL, languages: [] }, /languages must be a list with members/],
    ["a language without a name", { ...MINIMAL, languages: [{}] }, /name must be a string/],
    [
      "aliases that are no list",
      { ...MINIMAL, languages: [{ name: "x", aliases: "y" }] },
      /aliases must be a list of strings/,
    ],
    ["no interpreters", { ...MINIMAL, interpreters: undefined }, /interpreters must be a list of strings/],
    ["a command that is a text", { ...MINIMAL, command: "run" }, /command must be a list of strings/],
    ["a variable that is no text", { ...MINIMAL, env: { A: 1 } }, /env\.A must be a string/],
    ["units that there are not", { ...MINIMAL, textUnits: "words" }, /textUnits must be "writes" or "lines"/],
    ["no fix", { ...MINIMAL, fix: "" }, /fix must be a string/],
  ])("with %s are refused by the name of the file", (_name, manifest, why) => {
    write("broken", manifest);
    expect(() => readManifests(folder)).toThrowError(
      expect.objectContaining({
        code: "internal",
        message: expect.stringContaining(join(folder, "broken", "kernel.json")) as string,
      }),
    );
    expect(() => readManifests(folder)).toThrowError(why);
  });

  test("may set a variable to nothing", () => {
    write("toy", { ...MINIMAL, env: { PYTHONSTARTUP: "" } });
    expect(readManifests(folder)[0]?.env).toEqual({ PYTHONSTARTUP: "" });
  });

  test("of the repository itself can all be read", () => {
    expect(() => readManifests(join(REPOSITORY, "kernels"))).not.toThrow();
    expect(readManifests(join(REPOSITORY, "tests", "fixtures", "kernels")).map(({ kernel }) => kernel)).toEqual([
      "toy",
    ]);
  });
});
