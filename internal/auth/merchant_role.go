package auth

import (
	"slices"

	"github.com/feiqian/feiqian/internal/party"
)

// The permissions of merchants' users. They stand beside those of staff and open nothing of theirs.
const (
	UserReadSales   Permission = "sales.read"   // payments, stores
	UserReadMoney   Permission = "money.read"   // balance, sub-merchants
	UserRefund      Permission = "sales.refund" // refund, decide refunds, rules for them
	UserWriteStores Permission = "stores.write" // open, freeze and close stores
	UserReadPeople  Permission = "people.read"
	UserWritePeople Permission = "people.write" // invite, roles, suspend
	UserReadKeys    Permission = "keys.read"
	UserWriteKeys   Permission = "keys.write"
)

// userPermissions is the table of what each role of a merchant's users may do.
func userPermissions() map[party.MerchantRole][]Permission {
	return map[party.MerchantRole][]Permission{
		party.MerchantOwner: {
			UserReadSales, UserReadMoney, UserRefund, UserWriteStores, UserReadPeople, UserWritePeople, UserReadKeys,
			UserWriteKeys,
		},
		party.MerchantFinance:  {UserReadSales, UserReadMoney, UserRefund, UserReadPeople},
		party.MerchantOperator: {UserReadSales, UserWriteStores},
		party.MerchantViewer:   {UserReadSales},
	}
}

// UserPermissions lists what a role of a merchant's users may do; an unknown role has none.
func UserPermissions(role party.MerchantRole) []Permission { return userPermissions()[role] }

// UserCan reports whether a role of a merchant's users has a permission.
func UserCan(role party.MerchantRole, permission Permission) bool {
	return slices.Contains(UserPermissions(role), permission)
}
