-- Whether the schema, or a table, a sequence or a function in it, belongs to a stranger: to none of this user, a
-- superuser, the owner of the database, and the owner that the builder names. It executes nothing of the schema, and
-- nothing of a search path: each name is qualified, and each comparison is of two equal types.
EXISTS (
    SELECT FROM (
        SELECT n.nspowner AS owner FROM pg_catalog.pg_namespace n WHERE n.nspname::text = {name}::text
        UNION ALL
        SELECT p.proowner FROM pg_catalog.pg_proc p, pg_catalog.pg_namespace n
        WHERE p.pronamespace = n.oid AND n.nspname::text = {name}::text
        UNION ALL
        SELECT c.relowner FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n
        WHERE c.relnamespace = n.oid AND n.nspname::text = {name}::text
    ) AS o
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_roles r
        WHERE r.oid = o.owner
            AND (r.rolsuper OR r.rolname::text = current_user::text OR r.rolname::text = {owner}::text)
    ) AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_database d
        WHERE d.datdba = o.owner AND d.datname::text = pg_catalog.current_database()::text
    )
)
