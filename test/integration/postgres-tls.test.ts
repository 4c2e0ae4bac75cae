/**
 * Goal: each TLS mode means what it means to libpq, for every connection of ours, the stream's too.
 * Method: real servers with a certificate of an authority of the test's own.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Authority, textOf } from "../support/certificates.js";
import { PATIENCE_MS } from "../support/patience.js";
import { freshDatabase, startPostgres } from "../support/postgres-server.js";
import type { PostgresServer, PostgresVersion } from "../support/postgres-server.js";
import { PostgresWorld } from "../support/postgres-world.js";

const NAME = "db.example.test";

const versions: readonly PostgresVersion[] = [18, 15];

const authority = new Authority();
const stranger = new Authority();

afterAll(() => {
  authority.remove();
  stranger.remove();
});

/** TLS is switched on, and asked of everybody but the superuser; `holder` shows a certificate instead of a password. */
async function secure(server: PostgresServer): Promise<void> {
  const { cert, key } = authority.sign("server", NAME);
  const put = (path: string, text: string): Promise<void> =>
    server.exec(`copy (select unnest(string_to_array('${text.trimEnd()}', E'\\n')))
      to program 'umask 077; cat > ${path}'`);
  await put("server.crt", textOf(cert));
  await put("server.key", textOf(key));
  await put("root.crt", textOf(authority.ca));
  const [file] = await server.query("select current_setting('hba_file') as path");
  await server.exec(`copy (values ('host all postgres all scram-sha-256'),
    ('hostssl all holder all cert'), ('hostssl all all all scram-sha-256'))
    to '${String(file?.["path"])}'`);
  await server.exec("create role reader login replication password 'x'");
  await server.exec("create role holder login replication");
  await server.exec("create table items (id int primary key); create publication changecast");
  await server.exec("alter publication changecast add table items");
  await server.exec("grant select on items to reader, holder");
  for (const setting of ["ssl = on", "ssl_ca_file = 'root.crt'"]) {
    await server.exec(`alter system set ${setting}`);
  }
  await server.query("select pg_reload_conf()");
  const isOn = async (): Promise<void> => {
    expect(await server.query("show ssl")).toEqual([{ ssl: "on" }]);
  };
  await vi.waitFor(isOn, { timeout: PATIENCE_MS });
}

describe.each(versions)("Postgres %i with TLS", (version) => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({ version, exclusive: true });
    await secure(server);
  });

  afterAll(() => server.close());

  const login = { user: "reader", password: "x", slot: "tls", database: "postgres" };

  function worldOf(tls: object, more: object = {}): PostgresWorld {
    return new PostgresWorld(server, { ...login, tls, ...more });
  }

  /** The first problem's text; undefined where the check finds none. */
  async function refusal(tls: object, more: object = {}): Promise<string | undefined> {
    const { problems } = await worldOf(tls, more).check();
    const found = problems.find(({ level }) => level === "error");
    return found && `${found.code}: ${found.message} → ${found.cure}`;
  }

  it("is refused in the clear, with the line that would allow it", async () => {
    const said = await refusal({ mode: "disable" });
    expect(said).toMatch(
      /POSTGRES_LOGIN_REFUSED.*no encryption.*host postgres reader 127\.0\.0\.1/,
    );
  });

  it.each(["prefer", "require"])("%s encrypts every connection, the stream's too", async (mode) => {
    const world = worldOf({ mode });
    const reading = await world.open();
    const sessions = await server.query(`select s.ssl, a.backend_type = 'walsender' as streams
      from pg_stat_ssl s join pg_stat_activity a using (pid)
      where a.application_name = 'changecast shop' order by streams`);
    expect(sessions).toEqual([
      { ssl: true, streams: false },
      { ssl: true, streams: true },
    ]);
    expect(reading.session.relations.map(({ name }) => name)).toEqual(["public.items"]);
    await world.close();
  });

  it("verify-ca wants a signature that is trusted, and no name", async () => {
    expect(await refusal({ mode: "verify-ca", ca: authority.ca })).toBeUndefined();
    expect(await refusal({ mode: "verify-ca", ca: stranger.ca })).toContain(
      "POSTGRES_LOGIN_REFUSED",
    );
    expect(await refusal({ mode: "verify-ca" })).toContain("Set `tls.ca`");
  });

  it("require is verify-ca where an authority is named", async () => {
    expect(await refusal({ mode: "require", ca: authority.ca })).toBeUndefined();
    expect(await refusal({ mode: "require", ca: stranger.ca })).toContain("POSTGRES_LOGIN_REFUSED");
  });

  it.each(["127.0.0.1", "localhost"])("verify-full wants the name, at %s", async (host) => {
    const tls = { mode: "verify-full", ca: authority.ca };
    const said = await refusal(tls, { host });
    expect(said).toContain("POSTGRES_LOGIN_REFUSED");
    expect(said).toContain("set `tls.serverName`");
    expect(await refusal({ ...tls, serverName: NAME }, { host })).toBeUndefined();
    expect(await refusal({ ...tls, serverName: "other.test" }, { host })).toContain(NAME);
  });

  it("verify-full reads the stream", async () => {
    const world = worldOf({ mode: "verify-full", ca: authority.ca, serverName: NAME });
    const reading = await world.open();
    expect(reading.session.relations.map(({ name }) => name)).toEqual(["public.items"]);
    await world.close();
  });

  it("shows our certificate where the server asks for one", async () => {
    const { cert, key } = authority.sign("holder");
    const more = { user: "holder", password: undefined };
    expect(await refusal({ mode: "require", cert, key }, more)).toBeUndefined();
    const said = await refusal({ mode: "require" }, more);
    expect(said).toContain("POSTGRES_LOGIN_REFUSED");
    const wrong = stranger.sign("holder");
    expect(await refusal({ mode: "require", ...wrong }, more)).toBeDefined();
  });
});

it("prefer takes a server without TLS as it is, and require does not", async () => {
  const database = await freshDatabase(18);
  const preferring = new PostgresWorld(database, { tls: { mode: "prefer" } });
  await (await preferring.open()).close();
  await preferring.close();
  const { problems } = await new PostgresWorld(database, { tls: { mode: "require" } }).check();
  expect(problems).toMatchObject([{ code: "POSTGRES_LOGIN_REFUSED", level: "error" }]);
  expect(problems[0]?.cure).toContain("`tls.mode: disable`");
});
