/**
 * Goal: TLS, certificates instead of passwords, and passwords over TLS work for every connection of ours, the
 * stream's own too, and what does not fit is refused with its reason. Method: a real server with a certificate of
 * an authority of the test's own, which takes no connection in the clear.
 */
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Authority, textOf } from "../support/certificates.js";
import { SET_NAME } from "../support/mongodb-machine.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer } from "../support/mongodb-server.js";
import { MongodbWorld } from "../support/mongodb-world.js";

const NAME = "secured";
const authority = new Authority();
const stranger = new Authority();
const holder = authority.sign("holder");
const other = authority.sign("other");

let server: MongodbServer;

/** Certificate and key in one file, as the server wants them. */
function serverFile(): string {
  const { cert, key } = authority.sign("server", "127.0.0.1");
  writeFileSync(cert, textOf(cert) + textOf(key));
  return cert;
}

beforeAll(async () => {
  const flags = [
    ...["--tlsMode", "preferTLS", "--tlsCertificateKeyFile", serverFile()],
    ...["--tlsCAFile", authority.ca, "--tlsAllowConnectionsWithoutCertificates"],
  ];
  const parameters = { authenticationMechanisms: "SCRAM-SHA-256,MONGODB-X509" };
  server = await startMongodb({ auth: true, exclusive: true, flags, parameters });
  const roles = [{ role: "read", db: NAME }];
  const { client } = server;
  await client.db("$external").command({ createUser: "CN=holder", roles });
  await client.db("admin").command({ createUser: "reader", pwd: "x:y@z", roles });
  // The test's own connection is there already.
  await client.db("admin").command({ setParameter: 1, tlsMode: "requireTLS" });
});

afterAll(async () => {
  await server.close();
  authority.remove();
  stranger.remove();
});

function address(query = ""): string {
  const [member] = server.members;
  const host = `127.0.0.1:${String(member?.port)}`;
  return `mongodb://${host}/?replicaSet=${SET_NAME}&serverSelectionTimeoutMS=2000${query}`;
}

function worldOf(options: Readonly<Record<string, unknown>>): MongodbWorld {
  const db = server.client.db(NAME);
  const drop = (): Promise<void> => Promise.resolve();
  return new MongodbWorld({ name: NAME, url: String(options["url"]), server, db, drop });
}

const password = { user: "reader", password: "x:y@z", authSource: "admin" };
const byCertificate = "&authMechanism=MONGODB-X509&authSource=%24external";

describe("over TLS", () => {
  test.each([
    ["a user with a password", "", password, {}],
    ["a user with a password, by the address", "&tls=true", password, { inAddress: true }],
    ["a user with a certificate", byCertificate, {}, { files: holder }],
    ["a user with a password at any member", "", { ...password, readPreference: "nearest" }, {}],
    ["one with a certificate", byCertificate, { readPreference: "nearest" }, { files: holder }],
  ] as const)("%s reads documents and follows them", async (_who, query, more, how) => {
    const { cert, key } = "files" in how ? how.files : {};
    const tls = cert === undefined ? { ca: authority.ca } : { ca: authority.ca, cert, key };
    const ca = `&tlsCAFile=${encodeURIComponent(authority.ca)}`;
    const url = address("inAddress" in how ? query + ca : query);
    const options = { url, ...more, ...("inAddress" in how ? {} : { tls }) };
    const world = worldOf(options);
    try {
      const reading = await world.open({ options });
      await server.client.db(NAME).collection("items").insertOne({ a: 1 });
      await reading.until(() => reading.changes.length > 0);
      const [relation] = reading.session.relations;
      if (relation === undefined) throw new Error("there is no relation");
      expect(await reading.session.copy?.estimate(relation)).toBeGreaterThan(0);
    } finally {
      await world.close();
    }
  });
});

describe("is refused:", () => {
  const failure = async (options: Readonly<Record<string, unknown>>): Promise<string> => {
    const world = worldOf(options);
    try {
      await world.open({ options });
    } catch (error) {
      const { code = "", message } = error as { code?: string; message: string };
      return `${code} ${message}`;
    } finally {
      await world.close();
    }
    throw new Error("it was let in");
  };

  test("who speaks in the clear", async () => {
    expect(await failure({ url: address(), ...password })).toMatch(/^MONGODB_UNREACHABLE/);
  });

  test("a server whose authority is not the one that is named", async () => {
    const said = await failure({ url: address(), ...password, tls: { ca: stranger.ca } });
    expect(said).toMatch(/^MONGODB_UNREACHABLE.*certificate/);
  });

  test("a server by another name than its certificate's", async () => {
    const url = address().replace("127.0.0.1", "localhost");
    const said = await failure({ url, ...password, tls: { ca: authority.ca } });
    expect(said).toMatch(/^MONGODB_UNREACHABLE.*(does not match certificate|localhost)/);
  });

  test("a certificate of nobody's, and a wrong password", async () => {
    const { cert, key } = other;
    const tls = { ca: authority.ca, cert, key };
    const said = await failure({ url: address(byCertificate), tls });
    expect(said).toMatch(/^MONGODB_LOGIN_REFUSED/);
    const wrong = { ...password, password: "wrong", tls: { ca: authority.ca } };
    expect(await failure({ url: address(), ...wrong })).toMatch(/^MONGODB_LOGIN_REFUSED/);
  });
});
