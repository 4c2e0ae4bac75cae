/** How far back the oplog reaches, against what is needed (M-8). It can be asked only by who may read `local`. */
import type { Document, MongoClient } from "mongodb";
import { Timestamp } from "mongodb";
import type { Problem } from "../../src/model/problem.js";
import type { SourcePosition } from "../../src/model/position.js";
import { placeOf, secondsOf } from "./stream-position.js";

/** An outage over a weekend is what people expect to survive. */
const WINDOW_HOURS_MIN = 24;
/** A reader that is further behind is about to lose its place. */
const LAG_SHARE_MAX = 0.5;

export interface OplogWindow {
  readonly firstSeconds: number;
  readonly lastSeconds: number;
}

export async function oplogProblems(
  client: MongoClient,
  resume: SourcePosition | undefined,
): Promise<readonly Problem[]> {
  const window = await oplogWindow(client);
  return window === undefined ? [] : judgeWindow(window, resume);
}

/** Undefined where it may not be read, and on sharded clusters. */
async function oplogWindow(client: MongoClient): Promise<OplogWindow | undefined> {
  const oplog = client.db("local").collection("oplog.rs");
  const end = async (direction: 1 | -1): Promise<number | undefined> => {
    const options = { sort: { $natural: direction }, projection: { ts: 1 } } as const;
    const found: Document | null = await oplog.findOne({}, options);
    const stamp: unknown = found?.["ts"];
    return stamp instanceof Timestamp ? stamp.t : undefined;
  };
  try {
    const [firstSeconds, lastSeconds] = [await end(1), await end(-1)];
    if (firstSeconds === undefined || lastSeconds === undefined) return undefined;
    return { firstSeconds, lastSeconds };
  } catch {
    // A role that reads the collections alone is the right one: then the window is not known.
    return undefined;
  }
}

export function judgeWindow(
  { firstSeconds, lastSeconds }: OplogWindow,
  resume: SourcePosition | undefined,
): readonly Problem[] {
  const held = Math.max(0, lastSeconds - firstSeconds);
  if (resume === undefined) return [];
  const lag = lastSeconds - secondsOf(placeOf(resume.position).time);
  const hours = (held / 3600).toFixed(1);
  if (lag <= held * LAG_SHARE_MAX || held === 0) return [];
  const isSmall = held < WINDOW_HOURS_MIN * 3600;
  const why = isSmall ? " It holds less than a day." : "";
  return [
    {
      code: "MONGODB_HISTORY_LOST",
      level: "warning",
      message: `the oplog holds ${hours} hours, and reading is ${(lag / 3600).toFixed(1)} hours behind.${why}`,
      cure: "Start Changecast soon, or enlarge the oplog: db.adminCommand({replSetResizeOplog: 1, size: <MB>}).",
    },
  ];
}
