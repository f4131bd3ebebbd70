package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/party"
)

// The payer's door: /wallet/v1. What looks is here, what moves money in money.go.

func (s *Services) walletEndpoints() []Endpoint {
	route := func(method, path, tag, name, summary string) Route {
		return Route{Method: method, Path: "/wallet/v1" + path, Actor: ActorCustomer, Tag: tag, Name: name, Summary: summary}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(route(get, "/balance", "Wallet", "get_balance", "Read the balance, now or at an instant"), s.walletBalance),
		Handle(route(get, "/statement", "Wallet", "get_statement", "Read the statement, newest first"), s.walletStatement),
		Handle(
			route(get, "/receipts/{entry_id}", "Receipts", "get_receipt", "Get a receipt that anybody can verify offline"),
			s.walletReceipt,
		),
		Handle(
			route(get, "/bank_accounts", "Bank accounts", "list_bank_accounts", "List linked bank accounts"),
			s.listBankAccounts,
		),
		Handle(
			created(route(post, "/bank_accounts", "Bank accounts", "link_bank_account", "Link a bank account")),
			s.linkBankAccount,
		),
		Handle(route(get, "/payees", "Transfers", "find_payee", "Find who has a phone number, before paying"), s.findPayee),
		Handle(
			created(route(post, "/payment_codes", "Payment codes", "create_payment_code", "Get a payment code to show")),
			s.createPaymentCode,
		),
	}
}

func (s *Services) walletBalance(ctx context.Context, req *balanceRequest) (*BalanceView, error) {
	return s.balance(ctx, ledger.UserBalance, string(CallerOf(ctx).Customer), req)
}

func (s *Services) walletStatement(ctx context.Context, req *statementRequest) (*Page[ledger.Posting], error) {
	return s.statement(ctx, ledger.UserBalance, string(CallerOf(ctx).Customer), req)
}

type receiptRequest struct {
	Entry id.Entry `path:"entry_id"`
}

func (s *Services) walletReceipt(ctx context.Context, req *receiptRequest) (*ledger.Receipt, error) {
	return s.receipt(ctx, req.Entry, string(CallerOf(ctx).Customer))
}

func (s *Services) merchantReceipt(ctx context.Context, req *receiptRequest) (*ledger.Receipt, error) {
	return s.receipt(ctx, req.Entry, string(CallerOf(ctx).Merchant))
}

// receipt shows an owner its own lines of an entry; an entry without any is not there.
func (s *Services) receipt(ctx context.Context, entry id.Entry, owner string) (*ledger.Receipt, error) {
	receipt, err := s.Log.Receipt(ctx, entry, ledger.LinesOf(owner))
	if err != nil {
		return nil, err
	}
	if len(receipt.Lines) == 0 {
		return nil, fault.New(fault.NotFound, "ledger.entry_not_found", "there is no such entry")
	}
	return &receipt, nil
}

func (s *Services) listBankAccounts(ctx context.Context, _ *empty) (*Page[attempt.BankAccount], error) {
	accounts, err := s.BankAccounts.List(ctx, CallerOf(ctx).Customer)
	return &Page[attempt.BankAccount]{Data: accounts}, err
}

type linkBankAccountBody struct {
	Channel    string `json:"channel,omitempty" maxLength:"32" doc:"Default bank."`
	Number     string `json:"number" minLength:"8" maxLength:"32" pattern:"^[0-9]+$" doc:"The account number; it is not kept."`
	HolderName string `json:"holder_name" minLength:"1" maxLength:"64" doc:"As the bank has it."`
}

type linkBankAccountRequest struct {
	Body linkBankAccountBody
}

func (s *Services) linkBankAccount(ctx context.Context, req *linkBankAccountRequest) (*attempt.BankAccount, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	name := req.Body.Channel
	if name == "" {
		name = "bank"
	}
	account, err := s.BankAccounts.Bind(ctx, CallerOf(ctx).Customer, name, channel.BindRequest{
		Number: req.Body.Number, HolderName: req.Body.HolderName,
	})
	return &account, err
}

type findPayeeRequest struct {
	Phone string `query:"phone" required:"true" maxLength:"32"`
}

func (s *Services) findPayee(ctx context.Context, req *findPayeeRequest) (*party.MaskedCustomer, error) {
	if err := s.Limits.mayLookUp(string(CallerOf(ctx).Customer)); err != nil {
		return nil, err
	}
	payee, err := s.payee(ctx, req.Phone)
	if err != nil {
		return nil, err
	}
	masked := payee.Masked()
	return &masked, nil
}

// payee finds a customer by phone number or id.
func (s *Services) payee(ctx context.Context, name string) (party.Customer, error) {
	if customer, err := id.Parse[id.Customer](name); err == nil {
		return s.Parties.PayeeByID(ctx, customer)
	}
	phone, err := party.ParsePhone(name)
	if err != nil {
		return party.Customer{}, err
	}
	return s.Parties.CustomerByPhone(ctx, phone)
}

// PaymentCode is a code for the payer's screen.
type PaymentCode struct {
	Code      string    `json:"payment_code" doc:"24 digits, as text, bar code or QR code. It works once."`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *Services) createPaymentCode(ctx context.Context, _ *empty) (*PaymentCode, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	code, expires, err := s.Wallets.NextCode(ctx, CallerOf(ctx).Device)
	return &PaymentCode{Code: code, ExpiresAt: expires}, err
}
