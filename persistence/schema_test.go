package persistence_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plimsoll/persistence/pgtest"
)

var update = flag.Bool("update", false, "rewrite golden files")

const schemaFile = "schema.sql"

// describeSchema renders both schemas from the catalogs, in an order and form that do not depend on the server's
// version or on how the migrations got there.
const describeSchema = `
WITH relation AS (
  SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relpersistence, c.reloptions
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname IN ('plimsoll', 'plimsoll_feeds') AND c.relkind = 'r' AND c.relname <> 'schema_version'
), line AS (
  SELECT name, 0 AS kind, 0 AS place, '' AS sort,
    'CREATE ' || CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || 'TABLE ' || name ||
    coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') || ' (' AS text
  FROM relation
  UNION ALL
  SELECT r.name, 1, a.attnum, '', '  ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ||
    CASE WHEN a.attidentity = 'a' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE '' END ||
    CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END ||
    coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') ||
    CASE WHEN a.attstorage <> t.typstorage THEN ' STORAGE ' || a.attstorage::text ELSE '' END
  FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT r.name, 2, 0, c.conname, '  CONSTRAINT ' || c.conname || ' ' || pg_get_constraintdef(c.oid)
  FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid AND c.contype IN ('p', 'u', 'f', 'c', 'x')
  UNION ALL
  SELECT name, 3, 0, '', ');' FROM relation
  UNION ALL
  SELECT r.name, 4, 0, i.relname, pg_get_indexdef(x.indexrelid) || ';'
  FROM relation r JOIN pg_index x ON x.indrelid = r.oid JOIN pg_class i ON i.oid = x.indexrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x'))
  UNION ALL
  SELECT r.name, 5, 0, t.tgname, pg_get_triggerdef(t.oid) || ';'
  FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
  UNION ALL
  SELECT '', 6, 0, p.proname, pg_get_functiondef(p.oid) || ';'
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('plimsoll', 'plimsoll_feeds')
)
SELECT text FROM line ORDER BY name COLLATE "C", kind, place, sort COLLATE "C"`

// TestSchemaFileIsWhatMigrationsMake keeps the readable schema true. Run with -update after adding a migration.
func TestSchemaFileIsWhatMigrationsMake(t *testing.T) {
	t.Parallel()
	rows, err := pgtest.New(t).Query(t.Context(), describeSchema)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	got := "-- Made from the migrations by TestSchemaFileIsWhatMigrationsMake; for reading, never executed.\n" +
		strings.ReplaceAll(strings.Join(lines, "\n"), "\n);", "\n);\n") + "\n"
	if *update {
		if err := os.WriteFile(schemaFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("schema.sql and the migrations differ; run with -update (-file +migrated):\n%s", diff)
	}
}
