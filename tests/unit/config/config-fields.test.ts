import { describe, expect, test } from "vitest";
import type { ConfigField } from "../../../src/config-field.ts";
import { CONFIG_FIELDS } from "../../../src/config-fields.ts";
import { type Config, helpText, readConfig, UsageError } from "../../../src/config.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

function read(argv: readonly string[], env: Record<string, string> = {}, isTerminal = false): Config {
  return readConfig({ root: REPOSITORY, argv, env: { HOME: "/home/somebody", ...env }, isTerminal });
}

/** What reading fails with: a usage error of one line. */
function fault(argv: readonly string[], env: Record<string, string> = {}): string {
  try {
    read(argv, env);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`${JSON.stringify([argv, env])} was taken`);
}

type Name = keyof typeof CONFIG_FIELDS;
const FIELDS = Object.entries(CONFIG_FIELDS) as [Name, ConfigField][];

/** Two texts that a field takes, with what they mean. */
function samples(field: ConfigField): [text: string, value: unknown][] {
  switch (field.kind) {
    case "text":
      // The only text that has a form of its own is a URL; ids are lines.
      if (field.unit === "URL") return ["http://169.254.169.254", "http://[fd00::1]:8080/"].map((url) => [url, url]);
      return [
        ["one", "one"],
        ["/two three", "/two three"],
      ];
    case "flag":
      return [["true", true]];
    case "variables":
      return [
        ["A=1", { A: "1" }],
        ["B=x=y, z", { B: "x=y, z" }],
      ];
    case "list": {
      // The only list whose members have a form is one of socket files.
      const [a, b, c] = ["a", "b", "c"].map((item) => (field.items ? `unix:/${item}` : item));
      return [
        [`${a}`, [a]],
        [` ${b} , ,${c},`, [b, c]],
      ];
    }
    case "choice":
      return (field.choices ?? []).slice(-2).map((choice) => [choice, choice]);
    case "port":
      return [
        ["0", 0],
        ["65535", 65_535],
      ];
    case "integer":
      return [
        [String(field.min), field.min],
        [String(field.max), field.max],
      ];
  }
}

describe.each(FIELDS)("%s", (name, field) => {
  const flagOf = (text: string): string[] =>
    field.kind === "flag" ? [`--${field.flag}`] : [`--${field.flag}=${text}`];

  test("is read from its flag and from its variable alike", () => {
    for (const [text, value] of samples(field)) {
      expect(read(flagOf(text))[name]).toEqual(value);
      expect(read([], { [field.env]: text })[name]).toEqual(value);
    }
  });

  test("has its default when neither is given, or the variable is empty", () => {
    const untouched = read([])[name];
    expect(read([], { [field.env]: "" })[name]).toEqual(untouched);
    if (name !== "logFormat" && name !== "preparedDir") expect(untouched).toEqual(field.default);
  });

  test("is described by --help with flag, variable and default", () => {
    const help = helpText();
    expect(help).toContain(`--${field.flag}`);
    expect(help).toContain(`${field.env}, default ${field.defaultText ?? JSON.stringify(field.default)}`);
    expect(help).toContain(field.help);
  });
});

describe.each(FIELDS.filter(([, { kind }]) => kind !== "flag" && kind !== "list"))("%s", (name, field) => {
  test("a flag wins over its variable", () => {
    const [first, second] = samples(field);
    expect(read([`--${field.flag}=${first?.[0]}`], { [field.env]: second?.[0] ?? "" })[name]).toEqual(first?.[1]);
  });
});

test("a list's flag wins over its variable and may be repeated", () => {
  const argv = ["--allowed-host", "a", "--allowed-host=b,c"];
  expect(read(argv, { GUESTD_ALLOWED_HOST: "d" }).allowedHosts).toEqual(["a", "b", "c"]);
});

describe("variables of programs", () => {
  test("stand one a line in a variable, and each in a flag of its own, which may have lines", () => {
    expect(read([], { GUESTD_ENV: "A=1\n\nB=2\n" }).imageEnv).toEqual({ A: "1", B: "2" });
    expect(read(["--env", "A=1\n2", "--env=B="]).imageEnv).toEqual({ A: "1\n2", B: "" });
  });

  test("are passed on by name, where there are such, and what is set wins", () => {
    const env = { DATABASE_URL: "db", JAVA_HOME: "/java", SECRET: "s", GUESTD_PASS_ENV: "DATABASE_URL,JAVA_HOME,NONE" };
    expect(read(["--env=JAVA_HOME=/other"], env).imageEnv).toEqual({ DATABASE_URL: "db", JAVA_HOME: "/other" });
  });

  test.each(["GUESTD_TOKEN", "A,GUESTD_TOKEN_FILE"])("guestd's own are not passed on: %s", (names) => {
    expect(fault([`--pass-env=${names}`])).toContain("none of them guestd's");
  });

  test("names with a space in between are one name that there is not", () => {
    expect(fault([], { GUESTD_PASS_ENV: "JAVA_HOME DATABASE_URL" })).toBe(
      'GUESTD_PASS_ENV: must be names of variables, with commas in between, none of them guestd\'s, got "JAVA_HOME DATABASE_URL"',
    );
  });

  test.each(["hidden", "=hidden", `A=${"hidden".repeat(30_000)}`])("a fault tells no value: %#", (text) => {
    expect(fault([], { GUESTD_ENV: text })).toMatch(
      /^GUESTD_ENV: (must be NAME=VALUE|environment variable "A" is longer)/,
    );
    expect(fault([], { GUESTD_ENV: text })).not.toContain("hidden");
  });
});

test("a flag takes back what its variable says", () => {
  const env = { GUESTD_FORWARD_PORTS: "yes" };
  expect([read([], env), read(["--no-forward-ports"], env)].map(({ forwardsPorts }) => forwardsPorts)).toEqual([
    true,
    false,
  ]);
  expect(fault(["--no-port"])).toBe("Unknown option '--no-port'; see guestd --help");
});

test.each(["--token=hidden", "--token"])("%s is told where the token is, and is not repeated", (flag) => {
  const text = fault([flag, "hidden"]);
  expect(text).toMatch(/^--token: .*GUESTD_TOKEN or GUESTD_TOKEN_FILE$/);
  expect(text).not.toContain("hidden");
});

test("of a flag that is given twice the last one counts", () => {
  expect(read(["--port", "1", "--port", "2"]).port).toBe(2);
});

describe("numbers", () => {
  const numbers = FIELDS.filter(([, { kind }]) => kind === "integer" || kind === "port");

  test.each(numbers)("%s outside its bounds is refused, with name, bounds and value", (_name, field) => {
    const [min, max] = field.kind === "port" ? [0, 65_535] : [field.min ?? 0, field.max ?? 0];
    for (const wrong of [String(max + 1), ...(min > 0 ? [String(min - 1)] : [])]) {
      const message = fault([`--${field.flag}=${wrong}`]);
      expect(message).toContain(`--${field.flag}`);
      expect(message).toContain(JSON.stringify(wrong));
      expect(message).toContain(`${min} to ${max}`);
      expect(fault([], { [field.env]: wrong })).toContain(field.env);
    }
  });

  test.each(["", "x", "1.5", "1e3", "0x10", " 1", "-1", "1_000", "٣", "99999999999999999999", "NaN", "Infinity"])(
    "%j is no number",
    (text) => {
      expect(fault([`--kept-runs=${text}`])).toContain(`got ${JSON.stringify(text)}`);
    },
  );

  test("a port that may be off says so", () => {
    expect(read(["--interpreter-port", "off"]).interpreterPort).toBe("off");
    expect(fault(["--interpreter-port", "none"])).toContain("or off");
    expect(read(["--port", "off"]).port).toBe("off");
  });
});

describe("switches", () => {
  test.each([
    ["true", true],
    ["1", true],
    ["YES", true],
    ["on", true],
    ["false", false],
    ["0", false],
    ["No", false],
    ["off", false],
  ])("GUESTD_INSECURE=%s is %s", (text, value) => {
    expect(read([], { GUESTD_INSECURE: text }).isInsecure).toBe(value);
  });

  test("anything else is refused by name and value", () => {
    expect(fault([], { GUESTD_INSECURE: "maybe" })).toBe('GUESTD_INSECURE: must be true or false, got "maybe"');
    expect(fault(["--insecure=true"])).toContain("--insecure");
  });
});

describe("what cannot be", () => {
  test("an unknown flag, with where to look", () => {
    expect(fault(["--prot", "1"])).toMatch(/'--prot'.*guestd --help$/);
    expect(fault(["-p"])).toContain("'-p'");
  });

  test("a word that is no flag", () => {
    expect(fault(["serve-me"])).toContain("'serve-me'");
    expect(fault(["--", "rest"])).toContain("'rest'");
  });

  test("a choice that is none, with the choices", () => {
    expect(fault(["--log-level=INFO"])).toBe('--log-level: must be one of error, warn, info, debug, got "INFO"');
    expect(fault([], { GUESTD_LOG_FORMAT: "xml" })).toContain("GUESTD_LOG_FORMAT: must be one of json, text");
  });

  test("an empty text as a flag", () => {
    expect(fault(["--host="])).toBe('--host: must not be empty, got ""');
  });

  test("a value that is missing, or looks like another flag: still one line", () => {
    for (const argv of [["--port"], ["--port", "-1"], ["--port", "--insecure"]]) {
      const message = fault(argv);
      expect(message).toContain("--port");
      expect(message).not.toContain("\n");
      expect(message).toMatch(/guestd --help$/);
    }
  });
});

describe("what follows from the rest", () => {
  test("logs are JSON, and text on a terminal, unless told", () => {
    expect(read([], {}, false).logFormat).toBe("json");
    expect(read([], {}, true).logFormat).toBe("text");
    expect(read(["--log-format=json"], {}, true).logFormat).toBe("json");
  });

  test("prepared kernels are where their user can read them", () => {
    const byRoot = "/var/lib/guestd/kernels";
    const isRoot = process.geteuid?.() === 0;
    expect(read([]).preparedDir).toBe(isRoot ? byRoot : "/home/somebody/.local/share/guestd/kernels");
    const elsewhere = { XDG_DATA_HOME: "/data" };
    expect(read([], elsewhere).preparedDir).toBe(isRoot ? byRoot : "/data/guestd/kernels");
    expect(read(["--prepared-dir=/x"]).preparedDir).toBe("/x");
  });

  test("the search path is the one we were started with, the version the package's", () => {
    expect(read([], { PATH: "/a:/b" }).path).toBe("/a:/b");
    expect(read([]).version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test("nothing can be changed afterwards", () => {
    expect(Object.isFrozen(read([]))).toBe(true);
  });

  test("flags and variables are all different, and named after each other", () => {
    const flags = FIELDS.map(([, { flag }]) => flag);
    expect(new Set(flags).size).toBe(flags.length);
    // Ids are called as programs see them.
    for (const [, { flag, env, unit }] of FIELDS)
      expect(env).toBe(`${unit === "id" ? "E2B" : "GUESTD"}_${flag.replaceAll("-", "_").toUpperCase()}`);
  });
});
