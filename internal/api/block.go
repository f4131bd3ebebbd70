package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/id"
)

// Who is kept out at the edge: /ops/v1/blocks.

func (s *Services) opsBlockEndpoints() []Endpoint {
	block := opsRoute(
		auth.WriteBlocks,
		post,
		"/blocks",
		"Edge",
		"block",
		"Keep an address or a caller out, for a reason and until an end",
	)
	block.Status = 201
	return []Endpoint{
		Handle(opsRoute(auth.ReadBlocks, get, "/blocks", "Edge", "list_blocks", "List the blocks in force"), s.listBlocks),
		Handle(block, s.block),
		Handle(
			opsRoute(auth.WriteBlocks, post, "/blocks/{id}/lift", "Edge", "lift_block", "End a block, for a reason"),
			s.liftBlock,
		),
	}
}

func (s *Services) listBlocks(ctx context.Context, _ *empty) (*Page[edge.Block], error) {
	blocks, err := s.Blocks.List(ctx)
	return &Page[edge.Block]{Data: blocks}, err
}

type blockBody struct {
	Subject string    `json:"subject" minLength:"1" maxLength:"100" doc:"address:ADDRESS, address:NETWORK or caller:ID." example:"address:203.0.113.7"`
	Reason  string    `json:"reason" minLength:"1" maxLength:"200"`
	Until   time.Time `json:"until"`
}

type blockRequest struct {
	Body blockBody
}

func (s *Services) block(ctx context.Context, req *blockRequest) (*edge.Block, error) {
	block, err := s.Blocks.Block(ctx, edge.BlockRequest{
		Subject: req.Body.Subject, Reason: req.Body.Reason, Until: req.Body.Until, By: CallerOf(ctx).Staff,
	})
	return &block, err
}

type liftBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"200"`
}

type liftRequest struct {
	ID   id.Block `path:"id"`
	Body liftBody
}

func (s *Services) liftBlock(ctx context.Context, req *liftRequest) (*NoContent, error) {
	return &NoContent{}, s.Blocks.Lift(ctx, req.ID, CallerOf(ctx).Staff, req.Body.Reason)
}
