-- A login for KEDA, which may ask scaling_hint and nothing else; again it only sets the password. Run as the owner after
-- `pgqueue migrate --roles`: psql -v password=… -f scaler.sql
select 'create role keda login' where to_regrole('keda') is null \gexec
alter role keda password :'password';
grant pgqueue_scaler to keda;
alter role keda connection limit 10;
alter role keda set statement_timeout = '5s';
alter role keda set default_transaction_read_only = on;
