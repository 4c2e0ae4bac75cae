/**
 * The pages of an LMDB file that its trees lead to, read beside LMDB. Little endian, as in mdb.c of lmdb 3.5:
 *
 *     page  0 number u64 · 8 transaction u64 · 16 pad u16 · 18 flags u16 · 20 lower u16 · 22 upper u16
 *           24 places of nodes, u16 each, counted from byte 24 too; `lower` says where they end
 *     node  0 low u16, high u16 · 4 flags u16 · 6 key's size u16 · 8 key, data
 *     tree  0 pad u32 · 4 flags u16 · 6 depth u16 · 8 branch, leaf, overflow pages u64 each · 32 entries u64
 *           40 root u64
 *
 * In a branch the node's low, high and flags are the number of the page below; in a leaf low and high are the
 * data's size, and the data may be a tree, or the number of the first of some pages that hold it.
 */
import { readSync } from "node:fs";

export const PAGE_HEADER_BYTES = 24;
export const TREE_BYTES = 48;

const PageAt = { flags: 18, lower: 20 } as const;
const NodeAt = { high: 2, flags: 4, keySize: 6, key: 8 } as const;
const TreeAt = { depth: 6, overflowPages: 24, root: 40 } as const;

const BRANCH = 0x01;
const LEAF = 0x02;
const HOLDS_PAGES = 0x01;
const HOLDS_TREE = 0x02;

/** The tree of a table that is empty. */
const NO_ROOT = 2n ** 64n - 1n;

export interface PageFile {
  readonly file: number;
  readonly size: number;
  readonly pageSize: number;
}

/**
 * Whether every page that `tree`, or a tree in it, leads to lies in the file. Leaves are read only where
 * something can hang below them.
 */
export function isWholeTree(from: PageFile, tree: Buffer, holdsTrees: boolean): boolean {
  const root = tree.readBigUInt64LE(TreeAt.root);
  if (root === NO_ROOT) return true;
  const readsLeaves = holdsTrees || tree.readBigUInt64LE(TreeAt.overflowPages) > 0n;
  return isWholePage(from, Number(root), {
    depth: tree.readUInt16LE(TreeAt.depth),
    ...{ readsLeaves, holdsTrees },
  });
}

interface Walk {
  /** Pages from this one down to a leaf, with both. */
  readonly depth: number;
  readonly readsLeaves: boolean;
  readonly holdsTrees: boolean;
}

function isWholePage(from: PageFile, number: number, walk: Walk): boolean {
  if (!isInFile(from, number, 1)) return false;
  const isLeaf = walk.depth <= 1;
  if (isLeaf && !walk.readsLeaves) return true;
  const page = Buffer.alloc(from.pageSize);
  readSync(from.file, page, 0, from.pageSize, number * from.pageSize);
  if ((page.readUInt16LE(PageAt.flags) & (isLeaf ? LEAF : BRANCH)) === 0) return false;
  const end = PAGE_HEADER_BYTES + page.readUInt16LE(PageAt.lower);
  for (let at = PAGE_HEADER_BYTES; at + 1 < end && at + 1 < page.length; at += 2) {
    const node = page.subarray(PAGE_HEADER_BYTES + page.readUInt16LE(at));
    if (node.length < NodeAt.key) return false;
    const isWhole = isLeaf
      ? isWholeNode(from, node, walk)
      : isWholePage(from, below(node), { ...walk, depth: walk.depth - 1 });
    if (!isWhole) return false;
  }
  return true;
}

/** Of a leaf. */
function isWholeNode(from: PageFile, node: Buffer, { holdsTrees }: Walk): boolean {
  const flags = node.readUInt16LE(NodeAt.flags);
  const data = node.subarray(NodeAt.key + node.readUInt16LE(NodeAt.keySize));
  if ((flags & HOLDS_TREE) !== 0) {
    return holdsTrees && data.length >= TREE_BYTES && isWholeTree(from, data, false);
  }
  if ((flags & HOLDS_PAGES) === 0) return true;
  if (data.length < 8) return false;
  const size = PAGE_HEADER_BYTES + low(node);
  return isInFile(from, Number(data.readBigUInt64LE(0)), Math.ceil(size / from.pageSize));
}

function isInFile({ size, pageSize }: PageFile, number: number, count: number): boolean {
  return (number + count) * pageSize <= size;
}

function low(node: Buffer): number {
  return node.readUInt16LE(0) + node.readUInt16LE(NodeAt.high) * 2 ** 16;
}

function below(node: Buffer): number {
  return low(node) + node.readUInt16LE(NodeAt.flags) * 2 ** 32;
}
