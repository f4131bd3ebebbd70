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
	// Dispute names a payer's complaint about a payment.
	Dispute string
	// DisputeFile names a file of evidence in a dispute.
	DisputeFile string
	// Capture names a part of an authorized payment that the merchant took.
	Capture string
	// Split names a part of a payment that is another merchant's.
	Split string
	// SplitRule names a rule by which payments are split.
	SplitRule string
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
	// Card names a customer's bank card as bound here; its issuer sees it as our reference.
	Card string
	// Request names one call to the API.
	Request string
	// LimitChange names a figure that staff set for a limit.
	LimitChange string
	// Audit names a record of the audit trail.
	Audit string
	// Proposal names an act that waits for a second person.
	Proposal string
	// Erasure names a customer's wish to be forgotten.
	Erasure string
	// Block names who is kept out at the edge.
	Block string
	// QRCode names a receive code: of a merchant, a store or a person.
	QRCode string
	// PaymentLink names a merchant's page address that makes payments.
	PaymentLink string
	// Application names a merchant's application; its token is another, secret value.
	Application string
	// ApplicationDocument names a document of an application.
	ApplicationDocument string
	// Store names a place where a merchant sells.
	Store string
	// MerchantUser names a person who works for a merchant.
	MerchantUser string
	// Message names a text to a phone.
	Message string
	// Challenge names a question that a passkey answers once.
	Challenge string
	// Passkey names a passkey of a customer; the credential's own id is another value.
	Passkey string
	// WebhookEndpoint names a merchant's URL for events; its secret is another value.
	WebhookEndpoint string
	// Delivery names one try to send one event to one endpoint.
	Delivery string
	// SigningKey names a merchant's public key for signed requests; it is the keyid of signatures.
	SigningKey string
	// AppRequest names a payment that a merchant's app hands to the wallet.
	AppRequest string
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

// Prefix returns "dsp".
func (Dispute) Prefix() string { return "dsp" }

// Prefix returns "dsf".
func (DisputeFile) Prefix() string { return "dsf" }

// Prefix returns "cap".
func (Capture) Prefix() string { return "cap" }

// Prefix returns "spl".
func (Split) Prefix() string { return "spl" }

// Prefix returns "spr".
func (SplitRule) Prefix() string { return "spr" }

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

// Prefix returns "crd".
func (Card) Prefix() string { return "crd" }

// Prefix returns "req".
func (Request) Prefix() string { return "req" }

// Prefix returns "lch".
func (LimitChange) Prefix() string { return "lch" }

// Prefix returns "aud".
func (Audit) Prefix() string { return "aud" }

// Prefix returns "prp".
func (Proposal) Prefix() string { return "prp" }

// Prefix returns "era".
func (Erasure) Prefix() string { return "era" }

// Prefix returns "blk".
func (Block) Prefix() string { return "blk" }

// Prefix returns "app".
func (Application) Prefix() string { return "app" }

// Prefix returns "ado".
func (ApplicationDocument) Prefix() string { return "ado" }

// Prefix returns "sto".
func (Store) Prefix() string { return "sto" }

// Prefix returns "mus".
func (MerchantUser) Prefix() string { return "mus" }

// Prefix returns "msg".
func (Message) Prefix() string { return "msg" }

// Prefix returns "chl".
func (Challenge) Prefix() string { return "chl" }

// Prefix returns "psk".
func (Passkey) Prefix() string { return "psk" }

// Prefix returns "qrc".
func (QRCode) Prefix() string { return "qrc" }

// Prefix returns "plk".
func (PaymentLink) Prefix() string { return "plk" }

// Prefix returns "whe".
func (WebhookEndpoint) Prefix() string { return "whe" }

// Prefix returns "dlv".
func (Delivery) Prefix() string { return "dlv" }

// Prefix returns "sgk".
func (SigningKey) Prefix() string { return "sgk" }

// Prefix returns "apr".
func (AppRequest) Prefix() string { return "apr" }
