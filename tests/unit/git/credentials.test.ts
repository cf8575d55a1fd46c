import { describe, expect, test } from "vitest";
import { answerTo, redacted } from "../../../src/git/credentials.ts";

const credentials = { username: "ada", password: "p/w", protocol: "https:", host: "host:8443" };

describe("a question of git's", () => {
  test.each([
    ["Username for 'https://host:8443': ", "ada"],
    ["Password for 'https://ada@host:8443': ", "p/w"],
    ["Password for 'https://ada@HOST:8443': ", "p/w"],
    ["Password for 'https://host:8443': ", "p/w"],
  ])("%s is answered", (prompt, answer) => {
    expect(answerTo(prompt, credentials)).toBe(answer);
  });

  test.each(["ada@example.com", "team/ada", "a?b#c\\d'e", "ada:x"])("names %s, escaped or not", (username) => {
    for (const name of [username, encodeURIComponent(username).replaceAll("'", "%27")]) {
      expect(answerTo(`Password for 'https://${name}@host:8443': `, { ...credentials, username })).toBe("p/w");
      expect(answerTo(`Password for 'https://${name}@evil': `, { ...credentials, username })).toBeUndefined();
      expect(
        answerTo(`Password for 'https://${name}@host:8443/@evil': `, { ...credentials, username }),
      ).toBeUndefined();
    }
  });

  test.each([
    "Password for 'http://ada@host:8443': ",
    "Password for 'https://ada@host': ",
    "Password for 'https://ada@host:8443.evil.example': ",
    "Password for 'https://host:8443@evil.example': ",
    "Password for 'https://evil.example/https://host:8443': ",
    "Password for 'host:8443': ",
    "Password for 'https://host:8443/@evil.example': ",
    "Password for 'https://host:8443\\@evil.example': ",
    "Password for 'https://host:8443?@evil.example': ",
    "Password for 'https://host:8443#@evil.example': ",
    "Password for 'https://ada@host:8443/@evil.example': ",
    "Password for 'https://ada@host:8443/a/path': ",
    "Password for 'https://ada@ho\nst:8443': ",
    "Enter passphrase for key '/home/user/.ssh/id': ",
    "",
  ])("%j is not", (prompt) => {
    expect(answerTo(prompt, credentials)).toBeUndefined();
  });
});

test("what git says is told without secrets", () => {
  const said = "fatal: https://ada:p%2Fw@host/x and p/w and p%2Fw, also http://u:other@host and user@host";
  expect(redacted(said, credentials)).toBe(
    "fatal: https://***@host/x and *** and ***, also http://***@host and user@host",
  );
  expect(redacted("at https://ada:p@ss@host/x@y", undefined)).toBe("at https://***@host/x@y");
  expect(redacted("ssh://git@host/x and ssh://git:other@host/x", undefined)).toBe(
    "ssh://git@host/x and ssh://***@host/x",
  );
  expect(redacted("nothing", undefined)).toBe("nothing");
});
