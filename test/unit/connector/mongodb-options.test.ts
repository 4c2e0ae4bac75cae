/** The options of a MongoDB source, and what of a deployment its rules make it read. */
import { describe, expect, test } from "vitest";
import { parseMongodbOptions } from "../../../connectors/mongodb/options.js";
import { NamespaceScope } from "../../../connectors/mongodb/namespace-scope.js";
import { roleCure } from "../../../connectors/mongodb/check.js";

const url = "mongodb://me:secret@one,two/?replicaSet=rs0";

const problemsOf = (raw: unknown): string[] => {
  const parsed = parseMongodbOptions(raw);
  return "problems" in parsed ? parsed.problems.map(({ message }) => message) : [];
};

describe("options", () => {
  test("have defaults", () => {
    expect(parseMongodbOptions({ connector: "mongodb", url })).toMatchObject({
      options: { readPreference: "primary", pipeline: [], updates: [["*", "refetch"]] },
    });
  });

  test.each([
    [{}, /expected string/],
    [{ url: "postgres://there" }, /is not mongodb:\/\//],
    [{ url: "mongodb://me:secret@:27017/?x" }, /cannot be read/],
    [{ url, readPreference: "fastest" }, /Invalid option/],
    [{ url, colour: "red" }, /colour/],
    [{ url, pipeline: [{ $group: {} }] }, /cannot have the stage \$group/],
    [{ url, pipeline: [{ $match: {}, $set: {} }] }, /2 stages in one/],
    [{ url, user: "me", password: "a", passwordFile: "/b" }, /both password and passwordFile/],
    [{ url, password: "a" }, /no user/],
    [{ url, tls: { ca: "/no/such/file" } }, /reading tls\.ca/],
    [{ url, updates: "guess" }, /Invalid/],
    [{ url: `${url}&readPreference=nearest` }, /the url sets readpreference, which has no effect/],
    [{ url: `${url}&ReadConcernLevel=local` }, /the url sets readconcernlevel/],
    [{ url: `${url}&retryReads=true` }, /the url sets retryreads/],
    [{ url: `${url}&maxPoolSize=2` }, /the url allows 2 connections/],
  ])("%# are refused with what is wrong", (raw, message) => {
    const problems = problemsOf(raw);
    expect(problems.join("\n")).toMatch(message);
    expect(problems.join("\n")).not.toContain("secret");
  });

  test("never print a password", () => {
    const parsed = parseMongodbOptions({ url, user: "me", password: "hidden" });
    expect(JSON.stringify(parsed)).not.toMatch(/:secret@|hidden/);
  });
});

describe("the scope", () => {
  test("is the database that all rules name, or the deployment", () => {
    expect(new NamespaceScope(["shop.a", "shop.b*"], undefined).database).toBe("shop");
    expect(new NamespaceScope(["shop.a", "other.b"], undefined).database).toBeUndefined();
    expect(new NamespaceScope(["shop.a"], "deployment").database).toBeUndefined();
    expect(new NamespaceScope(["*.a"], undefined).databases).toBeUndefined();
  });

  test("holds what rules read, and nothing of the server's own", () => {
    const scope = new NamespaceScope(["shop.*", "*.log"], undefined);
    const names = ["shop.a", "shop.a.b", "x.log", "shop.system.views", "admin.log", "x.a"];
    expect(names.filter((name) => scope.has(name))).toEqual(["shop.a", "shop.a.b", "x.log"]);
    expect(scope.has("shop.tmp.agg_out.5f0")).toBe(false);
    expect(scope.has("shop.tmpqP3vF.renameCollection")).toBe(false);
  });

  test("tells the role that it needs", () => {
    expect(roleCure("shop", { databases: ["shop"] })).toContain('db: "shop"');
    expect(roleCure(undefined, { databases: ["a", "b"] })).toContain('db: ""');
  });
});
