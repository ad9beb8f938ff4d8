-- A login that reads, for Grafana; again it only sets the password. Run as the owner after `pgqueue migrate --roles`:
-- psql -v password=… -f viewer.sql
select 'create role grafana login' where to_regrole('grafana') is null \gexec
alter role grafana password :'password';
grant pgqueue_viewer to grafana;
alter role grafana set statement_timeout = '10s';
alter role grafana set default_transaction_read_only = on;
