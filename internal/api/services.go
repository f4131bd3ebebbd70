package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/inapp"
	"github.com/feiqian/feiqian/internal/instruction"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
	"github.com/feiqian/feiqian/internal/privacy"
	"github.com/feiqian/feiqian/internal/qr"
	"github.com/feiqian/feiqian/internal/signing"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/wallet"
	"github.com/feiqian/feiqian/internal/webhook"
)

// Services are the domains behind the routes.
type Services struct {
	Mode  config.Mode
	Clock *clock.Clock
	// ClockMoved keeps how far the sandbox's clock was moved, so that it does not go back at the next start; nil does not.
	ClockMoved   func(ahead time.Duration) error
	Currencies   []money.Currency
	Auth         *auth.Auth
	Identity     *identity.Identities
	Parties      *party.Parties
	Wallets      *wallet.Wallets
	Ledger       *ledger.Ledger
	Log          *ledger.Log
	Payments     *payment.Payments
	Payouts      *payout.Payouts
	Attempts     *attempt.Attempts
	BankAccounts *attempt.BankAccounts
	Outbox       *outbox.Outbox
	Jobs         *job.Jobs
	Limits       *Limits
	// PaymentLimits caps what payers pay; Limits above caps how often somebody asks.
	PaymentLimits *limit.Limits
	Cards         *card.Cards
	Vault         *vault.Vault
	Trail         *audit.Trail
	AuditChain    *audit.Chain
	Approvals     *approval.Approvals
	Privacy       *privacy.Privacy
	Onboarding    *onboarding.Onboarding
	Blocks        *edge.Blocks
	Codes         *qr.Codes
	Checkouts     *checkout.Checkouts
	AppRequests   *inapp.Requests
	Instructions  *instruction.Instructions
	Webhooks      *webhook.Webhooks
	Signing       *signing.Signing
}

// Endpoints is the one list of routes: each door adds its own.
func (s *Services) Endpoints() []Endpoint {
	return slices.Concat(
		s.merchantEndpoints(),
		s.refundEndpoints(),
		s.disputeEndpoints(),
		s.splitEndpoints(),
		s.webhookEndpoints(),
		s.signatureEndpoints(),
		s.signInEndpoints(),
		s.walletEndpoints(),
		s.moneyEndpoints(),
		s.limitEndpoints(),
		s.cardEndpoints(),
		s.credentialEndpoints(),
		s.confirmationEndpoints(),
		s.opsSignInEndpoints(),
		s.opsBooksEndpoints(),
		s.opsEndpoints(),
		s.identityEndpoints(),
		s.opsIdentityEndpoints(),
		s.keyEndpoints(),
		s.auditEndpoints(),
		s.proposalEndpoints(),
		s.staffEndpoints(),
		s.merchantUserEndpoints(),
		s.privacyEndpoints(),
		s.applicationEndpoints(),
		s.portalEndpoints(),
		s.opsApplicationEndpoints(),
		s.opsBlockEndpoints(),
		s.qrEndpoints(),
		s.checkoutEndpoints(),
		s.takeDownEndpoints(),
		s.appRequestEndpoints(),
		s.instructionEndpoints(),
		s.sandboxEndpoints(),
	)
}

// DryRun is embedded in the request of an act that moves money.
type DryRun struct {
	// Dry has not the type's name: a member that has would hide this one from the reader of parameters.
	Dry bool `query:"dry_run" doc:"Decide and answer as ever, and write nothing."`
}

// once names an act for idempotency. body is the request without its secrets: a fingerprint of it is stored, and a PIN
// could be guessed from one.
func once(ctx context.Context, route string, key IdempotencyKey, dry DryRun, body any) (idempotency.Request, error) {
	encoded, err := Encode(body)
	if err != nil {
		return idempotency.Request{}, err
	}
	return idempotency.Request{
		Caller: CallerOf(ctx).ID(), Route: route, Key: string(key), Body: encoded, DryRun: dry.Dry,
	}, nil
}

// answer turns a stored answer into the route's.
func answer[T any](a idempotency.Answer, err error) (*Answer[T], error) {
	if err != nil {
		return nil, err
	}
	out := Answer[T](a)
	return &out, nil
}

// Short names for the methods of routes.
const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)
