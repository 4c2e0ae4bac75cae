/** What kind of deployment answers, by what it says of itself. No server needed. */
import { describe, expect, test } from "vitest";
import { isAtLeast, refuseLookAlikes } from "../../../connectors/mongodb/deployment.js";

const mongodb = {
  version: "6.0.5",
  gitVersion: "c9a99c120371d4d4c52cbb15dac34a36ce8d3b1d",
  modules: [],
};

describe("a server that speaks the protocol and is not MongoDB is refused", () => {
  test.each([
    ["Azure DocumentDB", { internal: { documentdb_versions: ["1.0"] } }, mongodb],
    ["Cosmos DB", {}, { ...mongodb, _t: "BuildInfoResponse" }],
    ["Amazon DocumentDB", {}, { version: "5.0.0" }],
  ])("%s", (_name, hello, build) => {
    expect(() => {
      refuseLookAlikes(hello, build);
    }).toThrow(/is not MongoDB/);
  });

  test("and MongoDB is not", () => {
    expect(() => {
      refuseLookAlikes({ setName: "rs0" }, mongodb);
    }).not.toThrow();
  });
});

test("versions are compared part by part", () => {
  const facts = { version: [6, 0, 9], setName: "rs0", isSharded: false } as const;
  const wanted = [[6], [6, 0, 9], [5, 9, 10], [6, 0, 10], [6, 1], [7]];
  expect(wanted.map((parts) => isAtLeast(facts, ...parts))).toEqual([
    ...[true, true, true],
    ...[false, false, false],
  ]);
});
