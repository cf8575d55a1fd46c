import { describe, expect, test } from "vitest";
import { readAddress } from "../../../src/git/address.ts";

const read = (text: string, more: Partial<Parameters<typeof readAddress>[1]> = {}) =>
  readAddress(text, { allowsFile: true, ...more });

describe("an address", () => {
  test.each([
    ["https://github.com/a/b.git", "https", "https://github.com/a/b.git"],
    ["git://host/x", "git", "git://host/x"],
    ["ssh://git@host:22/x", "ssh", "ssh://git@host:22/x"],
    ["git@host:a/b.git", "ssh", "git@host:a/b.git"],
    ["[::1]:a/b.git", "ssh", "[::1]:a/b.git"],
    ["/srv/x.git", "file", "/srv/x.git"],
    ["./x:y", "file", "./x:y"],
    ["host:a/b@c", "ssh", "host:a/b@c"],
    ["git@host:a@b/c", "ssh", "git@host:a@b/c"],
    ["file:///srv/x", "file", "file:///srv/x"],
  ])("%s is of %s", (text, protocol, url) => {
    expect(read(text)).toEqual({ url, protocol, credentials: undefined });
  });

  test.each([
    ["https://ada:secret@host/x", "ada", "secret"],
    ["https://token@host/x", "token", ""],
    ["https://a%40b:p%2Fw%25%@host/x", "a@b", "p/w%%"],
    ["https://ada:pass@word@host/x", "ada", "pass@word"],
    ["HTTPS://ada:%ff@HOST:443/x", "ada", "%ff"],
  ])("%s keeps no credentials", (text, username, password) => {
    const { url, credentials } = read(text);
    expect(url).toMatch(/^https:\/\/host(:443)?\/x$/i);
    expect(credentials).toEqual({ username, password, protocol: "https:", host: "host" });
  });

  test("gives way to credentials that are given beside it", () => {
    const credentials = { username: "bob", password: "other" };
    expect(read("https://ada:secret@host:8443/x", { credentials }).credentials).toEqual({
      ...credentials,
      protocol: "https:",
      host: "host:8443",
    });
  });

  test.each([
    ["-u", "invalid_argument"],
    ["ext::id", "invalid_argument"],
    ["git-remote-x+y::z", "invalid_argument"],
    ["https://host/\nx", "invalid_argument"],
    ["https://good\\@bad/x", "invalid_argument"],
    ["ftp://host/x", "invalid_argument"],
    ["-oProxyCommand=id:x", "invalid_argument"],
    ["git@-oProxyCommand=id:x", "invalid_argument"],
    ["ssh://git:secret@host/x", "invalid_argument"],
    ["https://", "invalid_argument"],
    ["ada:secret@host/x", "invalid_argument"],
  ])("%j is refused", (text, code) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code }));
  });

  test("of this machine is refused unless it is asked for", () => {
    expect(() => read("/srv/x", { allowsFile: false })).toThrow(expect.objectContaining({ code: "permission_denied" }));
  });

  test.each([
    ["https://host/x", "host"],
    ["https://host/x", "HOST:443"],
    ["http://host:8080/x", "host:8080"],
    ["https://[::1]:8443/x", "[::1]:8443"],
  ])("%s takes credentials for %s", (url, host) => {
    expect(read(url, { credentials: { username: "ada", password: "p", host } }).credentials?.host).toBe(
      new URL(url).host,
    );
  });

  test.each([
    ["https://host:8443/x", "host"],
    ["https://host.evil.example/x", "host"],
    ["https://host/x", "host:80"],
    ["https://host/x", "["],
  ])("%s takes none for %s", (url, host) => {
    const credentials = { username: "ada", password: "p", host };
    expect(() => read(url, { credentials })).toThrow(expect.objectContaining({ code: "permission_denied" }));
  });

  test.each([
    ["for ssh", "git@host:x", "p"],
    ["with a line feed", "https://host/x", "a\nb"],
  ])("takes no credentials %s", (_what, url, password) => {
    const credentials = { username: "ada", password };
    expect(() => read(url, { credentials })).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });
});
