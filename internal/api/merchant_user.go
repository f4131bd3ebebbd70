package api

import (
	"context"
	"net/http"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Merchants' users as the operator's staff see them: /ops/v1/merchants/{id}/users.

func (s *Services) merchantUserEndpoints() []Endpoint {
	reset := opsRoute(auth.WriteMerchants, post, "/merchants/{id}/users/{user}/totp_reset", "Merchants",
		"reset_merchant_user_totp", "Take the lost authenticator app of a merchant's user away")
	reset.Proposes = true
	return []Endpoint{
		Handle(opsRoute(auth.ReadMerchants, get, "/merchants/{id}/users", "Merchants", "list_merchant_users",
			"List a merchant's users"), s.listMerchantUsers),
		Handle(reset, s.resetMerchantUserTOTP),
	}
}

func (s *Services) listMerchantUsers(ctx context.Context, req *merchantRequest) (*Page[party.MerchantUser], error) {
	users, err := s.Parties.UsersOf(ctx, req.ID)
	return &Page[party.MerchantUser]{Data: users}, err
}

type resetMerchantUserTOTPRequest struct {
	ID   id.Merchant     `path:"id"`
	User id.MerchantUser `path:"user"`
	Body Because
}

func (s *Services) resetMerchantUserTOTP(
	ctx context.Context, req *resetMerchantUserTOTPRequest,
) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: approval.UserTOTP, Request: approval.UserTOTPReset{Merchant: req.ID, User: req.User},
		Reason: req.Body.Reason,
	})
}
