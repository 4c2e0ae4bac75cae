/** The connector suite over MongoDB. */
import { connector } from "../../connectors/mongodb/connector.js";
import type { MongodbOptions } from "../../connectors/mongodb/options.js";
import type { Write } from "../../connectors/scripted/scripted-source.js";
import { connectorContract } from "../contract/connector.contract.js";
import { failGetMores } from "../support/mongodb-world.js";
import { freshMongodbDatabase } from "../support/mongodb-server.js";
import type { MongodbDatabase } from "../support/mongodb-server.js";
import type { ClientSession, Document } from "mongodb";

/** Not among those that a stream goes on after: CursorKilled, as an administrator does it. */
const CURSOR_KILLED = 237;
const HISTORY_LOST = 286;

connectorContract<MongodbOptions>("mongodb", async () => {
  const database = await freshMongodbDatabase();
  const good = { url: database.url };
  const parsed = connector.parseOptions(good);
  if ("problems" in parsed) throw new Error("the options of the test are wrong");
  await database.db.createCollection("items");
  await database.db.createCollection("other");
  return {
    ...{ connector, options: parsed.options, key: "_id" },
    written: { good, bad: { url: "mysql://me:secret@there", readPreference: "best", extra: 1 } },
    ...{ items: `${database.name}.items`, other: `${database.name}.other` },
    commit: (writes) => commit(database, writes),
    cut: () => failGetMores(database.server, { errorCode: CURSOR_KILLED }),
    forget: () => failGetMores(database.server, { errorCode: HISTORY_LOST }),
    close: () => database.drop(),
  };
});

async function commit({ db, server }: MongodbDatabase, writes: readonly Write[]): Promise<void> {
  const write = async (each: Write, session?: ClientSession): Promise<void> => {
    const own = session === undefined ? {} : { session };
    const of = (relation: string) =>
      db.collection<Document>(relation.slice(db.databaseName.length + 1));
    if ("insert" in each) await of(each.insert).insertOne({ ...each.row }, own);
    else if ("update" in each) {
      await of(each.update).updateOne({ _id: each.key[0] as never }, { $set: each.set }, own);
    } else if ("delete" in each) {
      await of(each.delete).deleteOne({ _id: each.key[0] as never }, own);
    } else if ("truncate" in each) await of(each.truncate).drop();
    else throw new RangeError("this suite has no other content");
  };
  const [only] = writes;
  if (writes.length === 1 && only !== undefined) {
    await write(only);
    return;
  }
  await server.client.withSession((session) =>
    session.withTransaction(async () => {
      for (const each of writes) await write(each, session);
    }),
  );
}
