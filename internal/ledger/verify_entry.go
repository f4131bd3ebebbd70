package ledger

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/id"
)

// claimedLeaf is an entry's leaf as its transfers give it, with the place it claims.
type claimedLeaf struct {
	entry string
	group string
	leaf  int64
	hash  tlog.Hash
}

func entryOf(transfer string) string {
	entry, _, _ := strings.Cut(transfer, ".")
	return entry
}

// endEntry checks the entry whose lines have all been read.
func (v *verification) endEntry() {
	lines := v.entry
	v.entry = v.entry[:0]
	if len(lines) == 0 {
		return
	}
	v.report.Entries++
	name := entryOf(lines[0].ID)
	if err := sortLines(lines); err != nil {
		v.fail("entry", name, "the entry is not whole: %v", err)
		return
	}
	first := &lines[0]
	if first.Group == "" {
		v.fail("entry", name, "line 0 names no commit")
	}
	for i := 1; i < len(lines); i++ {
		t := &lines[i]
		if t.Subject != first.Subject || !t.PostedAt.Equal(first.PostedAt) || t.BusinessOn != first.BusinessOn {
			v.fail("entry", t.ID, "subject, instant or business date differ from line 0")
		}
		if t.Group != "" || t.Leaf != 0 {
			v.fail("entry", t.ID, "only line 0 has a place in the log")
		}
	}
	record, err := recordOf(lines)
	if err != nil {
		v.fail("entry", name, "%v", err)
		return
	}
	v.leaves = append(v.leaves, claimedLeaf{
		entry: name, group: string(first.Group), leaf: first.Leaf, hash: recordHash(record),
	})
}

const groupsPage = 200

// compareLeaves compares the collected entries with the leaves that their commits left for the log.
func (v *verification) compareLeaves(ctx context.Context) error {
	var names []string
	groups := map[string][]byte{}
	for i := range v.leaves {
		name := v.leaves[i].group
		if _, asked := groups[name]; !asked {
			groups[name] = nil
			names = append(names, name)
		}
	}
	for len(names) > 0 {
		page := names[:min(len(names), groupsPage)]
		names = names[len(page):]
		if err := v.readLeaves(ctx, page, groups); err != nil {
			return err
		}
	}
	for i := range v.leaves {
		claim := &v.leaves[i]
		leaves := groups[claim.group]
		start := claim.leaf * tlog.HashSize
		switch {
		case leaves == nil:
			v.fail("leaf", claim.entry, "its commit %s is not there or has no leaves", claim.group)
		case claim.leaf < 0 || start+tlog.HashSize > int64(len(leaves)):
			v.fail("leaf", claim.entry, "its commit %s has no leaf %d", claim.group, claim.leaf)
		case tlog.Hash(leaves[start:start+tlog.HashSize]) != claim.hash:
			v.fail("leaf", claim.entry, "the entry is not what leaf %d of its commit %s was made of", claim.leaf, claim.group)
		}
	}
	v.leaves = v.leaves[:0]
	return nil
}

func (v *verification) readLeaves(ctx context.Context, names []string, into map[string][]byte) error {
	marks, args := make([]string, len(names)), make([]any, len(names))
	for i, name := range names {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), name
	}
	rows, err := v.q.QueryContext(ctx,
		"SELECT id, leaves FROM commit_groups WHERE id IN ("+strings.Join(marks, ", ")+")", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name id.Group
		var leaves []byte
		if err := rows.Scan(&name, &leaves); err != nil {
			return err
		}
		into[string(name)] = leaves
	}
	return rows.Err()
}

// countLeaves finds leaves without an entry. Each entry has matched a leaf of its own (its id is part of
// what is hashed), so the numbers differ exactly where entries are gone.
func (v *verification) countLeaves(ctx context.Context) error {
	var leaves int64
	err := v.q.QueryRowContext(ctx, "SELECT CAST(COALESCE(sum(leaf_count), 0) AS BIGINT) FROM commit_groups").Scan(&leaves)
	if err != nil || leaves == v.report.Entries {
		return err
	}
	rows, err := v.q.QueryContext(ctx, `SELECT g.id, g.leaf_count, COALESCE(t.entries, 0) FROM commit_groups g
		LEFT JOIN (SELECT group_id, count(*) AS entries FROM transfers WHERE group_id <> '' GROUP BY group_id) t
		ON t.group_id = g.id WHERE g.leaf_count <> COALESCE(t.entries, 0) ORDER BY g.id LIMIT 1001`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var count, entries int64
		if err := rows.Scan(&name, &count, &entries); err != nil {
			return err
		}
		v.fail("leaf", name, "the commit has %d leaves and %d entries", count, entries)
	}
	return rows.Err()
}
