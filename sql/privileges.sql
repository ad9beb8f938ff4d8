-- PostgreSQL lets everybody execute a new function, and default privileges of the owner may give others much more. Our functions
-- act with the rights of the install's owner, so only the owner may do anything, and those to whom roles.sql grants it.
select take_from_others();
