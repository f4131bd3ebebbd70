package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/instruction"
)

// Dual-signed payment instructions: the merchant's half, the channel's half, and the check of either.

func (s *Services) instructionEndpoints() []Endpoint {
	return []Endpoint{
		Handle(Route{
			Method:  post,
			Path:    "/v1/payments/{id}/instruction",
			Actor:   ActorMerchant,
			Tag:     "Instructions",
			Name:    "create_instruction",
			Summary: "Get your half of a paid payment's instruction: the order, without the instrument",
		}, s.createInstruction),
		Handle(Route{
			Method: post, Path: "/v1/instructions/verify", Actor: ActorMerchant, Tag: "Instructions",
			Name: "verify_instruction", Summary: "Check one half of an instruction",
		}, s.verifyInstruction),
		Handle(opsRoute(auth.ReadPayments, get, "/payments/{id}/instruction", "Support", "get_channel_instruction",
			"Get the channel's half of a payment's instruction: the instrument, without the order"), s.channelInstruction),
	}
}

func (s *Services) createInstruction(ctx context.Context, req *paymentRequest) (*instruction.Instruction, error) {
	half, err := s.Instructions.Create(ctx, CallerOf(ctx).Merchant, req.ID)
	return &half, err
}

func (s *Services) channelInstruction(ctx context.Context, req *paymentRequest) (*instruction.Instruction, error) {
	half, err := s.Instructions.ForChannel(ctx, req.ID)
	return &half, err
}

type verifyInstructionRequest struct {
	Body instruction.Instruction
}

// VerifiedInstruction says that a half is genuine.
type VerifiedInstruction struct {
	Payment id.Payment       `json:"payment_id"`
	Half    instruction.Half `json:"half" enum:"order,payment"`
}

func (s *Services) verifyInstruction(_ context.Context, req *verifyInstructionRequest) (*VerifiedInstruction, error) {
	if err := s.Instructions.Verify(req.Body); err != nil {
		return nil, err
	}
	return &VerifiedInstruction{Payment: req.Body.Payment, Half: req.Body.Half}, nil
}
