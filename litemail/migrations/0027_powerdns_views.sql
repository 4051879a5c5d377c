-- depends: 0002_domains_and_zones
-- What PowerDNS reads of the zones that are served: its own schema, as views. Its role may read them and nothing else.
--
-- The views have the rights of litemail_owner, whose policies below show what is served, which is public by nature.
-- The contact in SOA records comes from the connection, as `litemail.hostmaster` in the form of a domain name.

-- PowerDNS numbers zones.
ALTER TABLE zones ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE;

CREATE POLICY served ON zones FOR SELECT TO litemail_owner USING (served);
CREATE POLICY served ON records FOR SELECT TO litemail_owner
    USING (EXISTS (SELECT FROM zones z WHERE z.id = records.zone_id AND z.served));

CREATE SCHEMA powerdns;

CREATE VIEW powerdns.domains AS
SELECT z.number AS id, z.name::text AS name, 'NATIVE'::text AS type, NULL::text AS master, NULL::integer AS last_check,
       NULL::bigint AS notified_serial, NULL::text AS account, NULL::text AS options, NULL::text AS catalog
FROM public.zones z WHERE z.served;

-- Records as PowerDNS wants them: absolute names, TXT quoted (it splits them itself), one TTL for each set, and a row
-- without a type for each name that only has names below it.
CREATE VIEW powerdns.records AS
WITH owned AS NOT MATERIALIZED (
    SELECT z.number AS domain_id, z.name AS zone, r.name AS label, r.type, r.content, r.ttl, r.priority,
           CASE r.name WHEN '@' THEN z.name ELSE r.name || '.' || z.name END AS name
    FROM public.zones z JOIN public.records r ON r.zone_id = z.id
    WHERE z.served
)
SELECT NULL::bigint AS id, r.domain_id, r.name, r.type,
       CASE r.type WHEN 'TXT' THEN '"' || replace(replace(r.content, '\', '\\'), '"', '\"') || '"' ELSE r.content END
           AS content,
       min(r.ttl) OVER (PARTITION BY r.domain_id, r.name, r.type) AS ttl, r.priority AS prio, false AS disabled,
       NULL::text AS ordername, true AS auth
FROM owned r
UNION ALL
SELECT NULL, z.number, z.name, 'NS', host, 3600, NULL, false, NULL, true
FROM public.zones z CROSS JOIN LATERAL unnest(z.name_servers) AS host
WHERE z.served
UNION ALL
SELECT NULL, z.number, z.name, 'SOA',
       concat_ws(' ', z.name_servers[1], coalesce(nullif(current_setting('litemail.hostmaster', true), ''),
                                                  'hostmaster.' || z.name),
                 z.serial, 3600, 600, 1209600, 300),
       3600, NULL, false, NULL, true
FROM public.zones z
WHERE z.served
UNION ALL
SELECT DISTINCT NULL::bigint, r.domain_id, above.label || '.' || r.zone, NULL, NULL, NULL::integer, NULL::integer, false,
       NULL, true
FROM owned r
     CROSS JOIN LATERAL generate_series(2, cardinality(string_to_array(r.label, '.'))) AS place
     CROSS JOIN LATERAL array_to_string((string_to_array(r.label, '.'))[place:], '.') AS above (label)
WHERE NOT EXISTS (SELECT FROM owned other WHERE other.domain_id = r.domain_id AND other.label = above.label);

-- PowerDNS asks for these, too; nothing is in them.
CREATE VIEW powerdns.domainmetadata AS
SELECT NULL::integer AS id, NULL::integer AS domain_id, NULL::text AS kind, NULL::text AS content WHERE false;
CREATE VIEW powerdns.comments AS
SELECT NULL::integer AS id, NULL::integer AS domain_id, NULL::text AS name, NULL::text AS type,
       NULL::integer AS modified_at, NULL::text AS account, NULL::text AS comment WHERE false;
