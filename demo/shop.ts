/** The demo's database: a shop with stores, products and orders, and rows in it before anything is tailed. */
import type pg from "pg";

export const STORES = ["Amsterdam", "Lisbon", "Oslo", "Vienna"] as const;
export const PRODUCTS_AT_FIRST = 400;
export const ORDERS_AT_FIRST = 120;

const schema = `
create table public.stores (
  id int primary key,
  name text not null,
  city text not null
);
create table public.products (
  id bigint primary key,
  store_id int not null,
  name text not null,
  price numeric(10,2) not null,
  quantity int not null,
  archived bool not null default false,
  attributes jsonb not null default '{}',
  description text,
  updated_at timestamptz not null default clock_timestamp()
);
create table public.orders (
  id bigint primary key,
  store_id int not null,
  customer text not null,
  status text not null default 'open',
  created_at timestamptz not null default clock_timestamp()
);
create table public.order_items (
  order_id bigint not null,
  line int not null,
  store_id int not null,
  product_id bigint not null,
  quantity int not null,
  price numeric(10,2) not null,
  primary key (order_id, line)
);`;

export const productNames = ["Lamp", "Chair", "Kettle", "Clock", "Vase", "Rug", "Shelf", "Mug"];
export const customers = ["Ada", "Grace", "Linus", "Margaret", "Edsger", "Barbara"];

export async function createShop(client: pg.Client): Promise<void> {
  await client.query(schema);
  const values = STORES.map((city, at) => `(${String(at + 1)}, '${city} store', '${city}')`);
  await client.query(`insert into public.stores (id, name, city) values ${values.join(", ")}`);
  await client.query(
    `insert into public.products
       (id, store_id, name, price, quantity, archived, attributes, description)
     select n, 1 + n % $1, ($2::text[])[1 + n % cardinality($2::text[])] || ' ' || n,
            round((5 + n * 1.37 % 90)::numeric, 2), n % 50, n % 23 = 0,
            jsonb_build_object(
              'colour', (array['red','green','blue'])[1 + n % 3], 'weight', n * 0.1),
            case when n % 10 = 0 then repeat(md5(n::text), 150) end
     from generate_series(1, $3) n`,
    [STORES.length, productNames, PRODUCTS_AT_FIRST],
  );
  await client.query(
    `insert into public.orders (id, store_id, customer, status)
     select n, 1 + n % $1, ($2::text[])[1 + n % cardinality($2::text[])], 'open'
     from generate_series(1, $3) n`,
    [STORES.length, customers, ORDERS_AT_FIRST],
  );
  await client.query(
    `insert into public.order_items (order_id, line, store_id, product_id, quantity, price)
     select o, l, 1 + o % $3, 1 + (o * 7 + l) % $1, l, round((o * 1.1)::numeric, 2)
     from generate_series(1, $2) o, generate_series(1, 2) l`,
    [PRODUCTS_AT_FIRST, ORDERS_AT_FIRST, STORES.length],
  );
}
