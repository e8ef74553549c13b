-- Whether the current user may read the catalog of subscriptions, which some providers hide.
SELECT has_column_privilege('pg_catalog.pg_subscription', 'subname', 'SELECT')
   AND has_column_privilege('pg_catalog.pg_subscription', 'subdbid', 'SELECT') AS all_columns
