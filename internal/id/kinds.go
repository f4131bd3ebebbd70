package id

// The kinds of ids, each with its prefix. A new kind is one type and one line.
type (
	// Customer names a person or company that pays or holds a wallet.
	Customer string
	// Merchant names a business that sells and is paid.
	Merchant string
	// Staff names a person of the operator.
	Staff string
	// Device names a customer's phone or browser.
	Device string
	// Session names a signed-in session; the access token is another, secret value.
	Session string
	// APIKey names a merchant's secret key; the key itself is another, secret value.
	APIKey string
	// BankAccount names a customer's bank account as bound here.
	BankAccount string
	// IdentityCheck names one try of a real-name check; the outside party sees it as our reference.
	IdentityCheck string
	// IdentityImage names a stored image of an identity document.
	IdentityImage string
	// Payment names a payment.
	Payment string
	// Refund names a refund.
	Refund string
	// WalletTransfer names a person-to-person transfer.
	WalletTransfer string
	// TopUp names a customer's money in.
	TopUp string
	// Payout names a customer's money out.
	Payout string
	// Attempt names one try on one channel; the channel sees it as our reference.
	Attempt string
	// Entry names a journal entry.
	Entry string
	// Hold names a reserved part of an account.
	Hold string
	// Event names a fact that happened.
	Event string
	// Job names durable work for later.
	Job string
	// Group names one durable commit.
	Group string
	// Request names one call to the API.
	Request string
	// LimitChange names a figure that staff set for a limit.
	LimitChange string
)

// Prefix returns "cus".
func (Customer) Prefix() string { return "cus" }

// Prefix returns "mer".
func (Merchant) Prefix() string { return "mer" }

// Prefix returns "stf".
func (Staff) Prefix() string { return "stf" }

// Prefix returns "dev".
func (Device) Prefix() string { return "dev" }

// Prefix returns "ses".
func (Session) Prefix() string { return "ses" }

// Prefix returns "key".
func (APIKey) Prefix() string { return "key" }

// Prefix returns "ba".
func (BankAccount) Prefix() string { return "ba" }

// Prefix returns "chk".
func (IdentityCheck) Prefix() string { return "chk" }

// Prefix returns "img".
func (IdentityImage) Prefix() string { return "img" }

// Prefix returns "pay".
func (Payment) Prefix() string { return "pay" }

// Prefix returns "rfd".
func (Refund) Prefix() string { return "rfd" }

// Prefix returns "wtr".
func (WalletTransfer) Prefix() string { return "wtr" }

// Prefix returns "top".
func (TopUp) Prefix() string { return "top" }

// Prefix returns "po".
func (Payout) Prefix() string { return "po" }

// Prefix returns "att".
func (Attempt) Prefix() string { return "att" }

// Prefix returns "ent".
func (Entry) Prefix() string { return "ent" }

// Prefix returns "hld".
func (Hold) Prefix() string { return "hld" }

// Prefix returns "evt".
func (Event) Prefix() string { return "evt" }

// Prefix returns "job".
func (Job) Prefix() string { return "job" }

// Prefix returns "grp".
func (Group) Prefix() string { return "grp" }

// Prefix returns "req".
func (Request) Prefix() string { return "req" }

// Prefix returns "lch".
func (LimitChange) Prefix() string { return "lch" }
