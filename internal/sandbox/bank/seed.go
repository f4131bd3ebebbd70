package bank

import (
	"errors"
	"strings"

	"github.com/feiqian/feiqian/internal/money"
)

// SeedAccount is a customer's account in a new database.
type SeedAccount struct {
	Number     string       `json:"number"`
	HolderName string       `json:"holder_name"`
	Balance    money.Amount `json:"balance"`
	Closed     bool         `json:"closed,omitempty"`
}

// check reports an account that the bank would not open.
func (a SeedAccount) check() error {
	if len(a.Number) < 8 || len(a.Number) > 32 || strings.Trim(a.Number, "0123456789") != "" {
		return errors.New("number must be 8 to 32 digits")
	}
	if plainName(a.HolderName) == "" {
		return errors.New("holder_name is missing")
	}
	if a.Balance.IsNegative() {
		return errors.New("balance must not be negative")
	}
	_, err := money.New(a.Balance.Minor, a.Balance.Currency)
	return err
}

// SeedAccounts returns the accounts of a new sandbox. The people are made up. The last three are a
// dollar account, one with ten yuan and one that is closed.
func SeedAccounts() []SeedAccount {
	const plenty = 1_000_000_00
	names := []struct{ number, name string }{
		{"9555010000000017", "张伟"},
		{"9555010000000025", "王芳"},
		{"9555010000000033", "李娜"},
		{"9555010000000041", "刘洋"},
		{"9555010000000058", "陈静"},
		{"9555010000000066", "杨帆"},
		{"9555010000000074", "赵敏"},
		{"9555010000000082", "黄磊"},
		{"9555010000000090", "周杰"},
		{"9555010000000108", "吴迪"},
		{"9555010000000116", "Alice Carter"},
		{"9555010000000124", "Bob Miller"},
		{"9555010000000132", "Carol Nguyen"},
		{"9555010000000140", "David Okafor"},
		{"9555010000000157", "Eva Schmidt"},
		{"9555010000000165", "四海茶馆"},
		{"9555010000000173", "城南书店"},
		{"9555010000000181", "Harbor Coffee Ltd"},
		{"9555010000000199", "Lotus Noodle House"},
		{"9555010000000207", "飞云出行有限公司"},
	}
	accounts := make([]SeedAccount, 0, len(names)+3)
	for _, n := range names {
		accounts = append(accounts, SeedAccount{
			Number: n.number, HolderName: n.name, Balance: money.Amount{Minor: plenty, Currency: "CNY"},
		})
	}
	dollars, little := money.Amount{Minor: plenty, Currency: "USD"}, money.Amount{Minor: 10_00, Currency: "CNY"}
	return append(accounts,
		SeedAccount{Number: "9555020000000015", HolderName: "Alice Carter", Balance: dollars},
		SeedAccount{Number: "9555010000000900", HolderName: "孙小钱", Balance: little},
		SeedAccount{Number: "9555010000000918", HolderName: "钱旧", Balance: money.Zero("CNY"), Closed: true},
	)
}
