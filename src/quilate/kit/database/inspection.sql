-- name: server_state
-- One row: the server's clock as seconds since 1970, its connections, and how many it allows.
SELECT
    extract(epoch FROM clock_timestamp()) AS seconds,
    (SELECT count(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::integer AS most_connections
