package auth

import (
	"slices"

	"github.com/feiqian/feiqian/internal/party"
)

// Permission names one thing that staff may do.
type Permission string

// The permissions of staff.
const (
	ReadCustomers   Permission = "customers.read"
	WriteCustomers  Permission = "customers.write" // freeze, thaw, close, revoke devices
	ReadMerchants   Permission = "merchants.read"
	WriteMerchants  Permission = "merchants.write" // create, freeze, keys
	ReadPayments    Permission = "payments.read"
	RefundPayments  Permission = "payments.refund"
	ReadLedger      Permission = "ledger.read"
	CorrectLedger   Permission = "ledger.correct"
	ReadSettlement  Permission = "settlement.read"
	WriteSettlement Permission = "settlement.write" // settle, pay out, resolve breaks
	ReadAudit       Permission = "audit.read"
	ReadStaff       Permission = "staff.read"
	WriteStaff      Permission = "staff.write"
	Operate         Permission = "system.operate" // jobs, the sandbox's clock
	ReadLimits      Permission = "limits.read"
	WriteLimits     Permission = "limits.write"    // tighten
	ReadIdentity    Permission = "identity.read"   // real-name verification, masked
	ReviewIdentity  Permission = "identity.review" // see document images, approve, refuse, ask again
)

// permissions is the table of what each role may do. Nobody who corrects the books may also read the
// customers' side of support, and the auditor changes nothing.
func permissions() map[party.Role][]Permission {
	return map[party.Role][]Permission{
		party.RoleAdmin: {
			ReadCustomers, WriteCustomers, ReadMerchants, WriteMerchants, ReadPayments, ReadLedger, ReadSettlement,
			ReadAudit, ReadStaff, WriteStaff, Operate, ReadLimits, WriteLimits,
		},
		party.RoleFinance: {
			ReadMerchants, ReadPayments, RefundPayments, ReadLedger, CorrectLedger, ReadSettlement, WriteSettlement,
		},
		party.RoleSupport: {ReadCustomers, WriteCustomers, ReadMerchants, ReadPayments, RefundPayments},
		party.RoleAuditor: {
			ReadCustomers, ReadMerchants, ReadPayments, ReadLedger, ReadSettlement, ReadAudit, ReadStaff, ReadIdentity,
			ReadLimits,
		},
		party.RoleCompliance: {ReadCustomers, ReadMerchants, ReadPayments, ReadIdentity, ReviewIdentity},
		party.RoleRisk:       {ReadCustomers, ReadMerchants, ReadPayments, ReadIdentity},
	}
}

// Permissions lists what a role may do; an unknown role has none.
func Permissions(role party.Role) []Permission { return permissions()[role] }

// Can reports whether a role has a permission; an unknown role has none.
func Can(role party.Role, permission Permission) bool {
	return slices.Contains(Permissions(role), permission)
}
