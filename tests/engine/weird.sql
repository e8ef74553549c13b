-- Names, types and tables that tools stumble over.
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bob') AS missing \gset
\if :missing
CREATE ROLE bob LOGIN PASSWORD 'bob''s \\ secret';
\endif
create schema "Sp ace"; create schema "we""ird.x"; 
create table "Sp ace"."ta ble" ("co l" int primary key, "a""b" text, "c,d" text, "e(f)" text, "back\slash" text, "dollar$" int, "quo'te" text, "new
line" text, "col:on" text);
insert into "Sp ace"."ta ble" select g, 'x', 'y', e'a\tb\nc', 'z\', 1, 'q''q', 'n', ':foo' from generate_series(1,1000) g;
create table "we""ird.x"."new
line table" (id int, t text);
insert into "we""ird.x"."new
line table" values (1,'ü'),(2,null),(3,'\.'),(4,''),(5,e'\\N');
create table "ünï" ("naïve" text unique, "日本" int); insert into "ünï" values ('ä',1);
create table "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" ("select" int, "from" text); insert into "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" values (1,'x');
create table nocols(); insert into nocols default values; insert into nocols default values;
create table gen(a int, b int generated always as (a*2) stored); insert into gen(a) select generate_series(1,10);
create table onlygen(b int generated always as (42) stored); insert into onlygen default values; insert into onlygen default values;
create table ident(id int generated always as identity, x text); insert into ident(x) select 'a' from generate_series(1,5);
create type mood as enum('sad','ok'); create domain pos as int check (value>0); create type comp as (a int, b mood); 
create table types(m mood, d pos, c comp, ma mood[], r int4range, nr numrange, reg regclass, j json, jb jsonb, ts tsvector, f float8, f4 float4, n numeric, by bytea, u uuid, i inet, iv interval, tz timestamptz, b bit(5), p point, o oid);
insert into types values('sad',3,row(1,'ok'),'{sad,ok}','[1,5)','[1.5,2.5)','types','{"a": 1}','{"b":2}','a b c'::tsvector,0.1::float8+0.2,1.1,'NaN',e'\\xdeadbeef','a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11','1.2.3.4','1 mon 2 days','2020-01-01 00:00+02','10101','(1,2)',5);
create table par(a int, b text); create table chi(c int) inherits(par); insert into par values(1,'p'); insert into chi values(2,'c',3);
create table rl(a int); insert into rl values(1); alter table rl enable row level security; alter table rl force row level security; create policy pp on rl using (false);
create view v1 as select * from ident; create materialized view m1 as select * from v1; create materialized view m0 as select count(*) from m1; create unique index on m1(id);
create materialized view m_empty as select 1 with no data;
select lo_from_bytea(0, 'hello'); select lo_from_bytea(77777, repeat('x',9000000)::bytea); comment on large object 77777 is 'big'; grant select on large object 77777 to public;
create sequence s1 start 5 increment 3; select nextval('s1'); create sequence s2; select setval('s2',99,false); create sequence s3 cycle maxvalue 5;
create table fkbad_p(id int primary key); create table fkbad_c(id int); insert into fkbad_c values(1); alter table fkbad_c add constraint fkbad foreign key(id) references fkbad_p not valid;
alter database :"DBNAME" set work_mem='8MB'; alter database :"DBNAME" set search_path = "$user", public, "Sp ace"; comment on database :"DBNAME" is 'c''mon'; alter role bob in database :"DBNAME" set statement_timeout='5s'; grant connect on database :"DBNAME" to bob; alter database :"DBNAME" owner to bob;
create procedure pr() language plpgsql as $$
begin
--
-- TOC entry 999 (class 2615 OID 16385)
-- Name: fake; Type: SCHEMA; Schema: -; Owner: x
--
perform 1;
SET default_tablespace = '';
end $$;
create function trg() returns trigger language plpgsql as $$begin return new; end$$; create trigger t1 before insert on ident for each row execute function trg(); alter table ident disable trigger t1;
create publication pub for table ident;
