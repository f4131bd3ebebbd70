package sqldb

import "testing"

// TestTexts holds the bulk statements as they are sent, for every kind of column.
func TestTexts(t *testing.T) {
	t.Parallel()
	table := &Table{Name: "things", Columns: []Column{
		{Name: "id"},
		{Name: "alias", Kind: NullText, Mutable: true},
		{Name: "kind"},
		{Name: "value", Kind: Int, Mutable: true},
		{Name: "flag", Kind: Bool, Mutable: true},
		{Name: "raw", Kind: Bytes, Mutable: true},
	}}
	for _, test := range []struct{ name, got, want string }{
		{
			"select", selectText(table, 1, "= ANY($1) ORDER BY id FOR UPDATE"),
			"SELECT id, COALESCE(alias, ''), kind, value, flag, raw FROM things WHERE alias = ANY($1) ORDER BY id FOR UPDATE",
		},
		{
			"insert", insertText(table, 0),
			"INSERT INTO things (id, alias, kind, value, flag, raw) VALUES ($1, $2, $3, $4, $5, $6)",
		},
		{
			"update", updateText(table, 0),
			"UPDATE things SET alias = $2, value = $3, flag = $4, raw = $5 WHERE id = $1",
		},
		{
			"insert arrays", insertArraysText(table, 0),
			"INSERT INTO things (id, alias, kind, value, flag, raw) " +
				"SELECT u.id, NULLIF(u.alias, ''), u.kind, u.value, u.flag, u.raw " +
				"FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::bytea[]) " +
				"AS u (id, alias, kind, value, flag, raw)",
		},
		{
			"update arrays", updateArraysText(table, 0),
			"UPDATE things t SET alias = NULLIF(u.alias, ''), value = u.value, flag = u.flag, raw = u.raw " +
				"FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::bytea[]) " +
				"AS u (id, alias, value, flag, raw) WHERE t.id = u.id",
		},
	} {
		if test.got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, test.got, test.want)
		}
	}
}
