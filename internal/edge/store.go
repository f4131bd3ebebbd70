package edge

import (
	"context"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
)

const blocksActive = `SELECT id, subject, rule, reason, blocked_by, since, until FROM edge_blocks
	WHERE until > $1 ORDER BY until DESC LIMIT $2`

// List returns the blocks in force, those that last longest first; at most 200.
func (b *Blocks) List(ctx context.Context) ([]Block, error) { return b.readActive(ctx, blocksShown) }

func (b *Blocks) readActive(ctx context.Context, limit int) ([]Block, error) {
	rows, err := b.DB.Read.QueryContext(ctx, blocksActive, clock.Micros(b.Clock.Now()), limit)
	if err != nil {
		return nil, fault.Wrap(b.DB.Fault(err), "list blocks")
	}
	defer rows.Close()
	blocks := []Block{}
	for rows.Next() {
		var block Block
		var since, until int64
		err := rows.Scan(&block.ID, &block.Subject, &block.Rule, &block.Reason, &block.By, &since, &until)
		if err != nil {
			return nil, fault.Wrap(err, "list blocks")
		}
		block.Since, block.Until = clock.FromMicros(since), clock.FromMicros(until)
		blocks = append(blocks, block)
	}
	return blocks, fault.Wrap(b.DB.Fault(rows.Err()), "list blocks")
}
