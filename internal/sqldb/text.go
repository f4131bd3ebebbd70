package sqldb

import (
	"fmt"
	"strings"
)

// selectText reads whole rows by one column.
func selectText(t *Table, column int, condition string) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
		if c.Kind == NullText {
			names[i] = "COALESCE(" + c.Name + ", '')"
		}
	}
	return fmt.Sprintf(
		"SELECT %s FROM %s WHERE %s %s",
		strings.Join(names, ", "),
		t.Name,
		t.Columns[column].Name,
		condition,
	)
}

func columnNames(t *Table, prefix string) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = prefix + c.Name
	}
	return strings.Join(names, ", ")
}

// insertText puts one row in, its values as $1 … $n.
func insertText(t *Table, _ int) string {
	marks := make([]string, len(t.Columns))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.Name, columnNames(t, ""), strings.Join(marks, ", "))
}

// updateText changes the mutable columns of one row; $1 is its key.
func updateText(t *Table, _ int) string {
	var sets []string
	for _, c := range t.Columns[1:] {
		if c.Mutable {
			sets = append(sets, fmt.Sprintf("%s = $%d", c.Name, len(sets)+2))
		}
	}
	return fmt.Sprintf("UPDATE %s SET %s WHERE %s = $1", t.Name, strings.Join(sets, ", "), t.Columns[0].Name)
}

func arrayType(kind Kind) string {
	switch kind {
	case Int:
		return "bigint[]"
	case Bool:
		return "boolean[]"
	case Bytes:
		return "bytea[]"
	case Text, NullText:
		return "text[]"
	}
	return "text[]"
}

// insertArraysText puts many rows in from one array for each column.
func insertArraysText(t *Table, _ int) string {
	arrays, picks := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		arrays[i] = fmt.Sprintf("$%d::%s", i+1, arrayType(c.Kind))
		picks[i] = "u." + c.Name
		if c.Kind == NullText {
			picks[i] = "NULLIF(u." + c.Name + ", '')"
		}
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM unnest(%s) AS u (%s)",
		t.Name, columnNames(t, ""), strings.Join(picks, ", "), strings.Join(arrays, ", "), columnNames(t, ""))
}

// updateArraysText changes the mutable columns of many rows from one array for each column.
func updateArraysText(t *Table, _ int) string {
	key := t.Columns[0].Name
	arrays, names := []string{"$1::text[]"}, []string{key}
	var sets []string
	for _, c := range t.Columns[1:] {
		if !c.Mutable {
			continue
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s", len(arrays)+1, arrayType(c.Kind)))
		names = append(names, c.Name)
		value := "u." + c.Name
		if c.Kind == NullText {
			value = "NULLIF(" + value + ", '')"
		}
		sets = append(sets, c.Name+" = "+value)
	}
	return fmt.Sprintf("UPDATE %s t SET %s FROM unnest(%s) AS u (%s) WHERE t.%s = u.%s",
		t.Name, strings.Join(sets, ", "), strings.Join(arrays, ", "), strings.Join(names, ", "), key, key)
}
