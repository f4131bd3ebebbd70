package auth_test

import (
	"os"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/party"
)

// rightsPage is docs/staff-rights.md as the table of rights says it.
func rightsPage() string {
	var page strings.Builder
	page.WriteString(
		"# Staff rights / 员工权限\n\nWhat each role may do. This page is made of the table in `internal/auth/role.go`; " +
			"to bring it up to date, run\n`FEIQIAN_WRITE_DOCS=1 go test ./internal/auth -run TestRightsPage`.\n\n" +
			"各角色的权限，由 `internal/auth/role.go` 中的表生成。\n\n| permission 权限 | means 含义 |",
	)
	for _, role := range party.Roles() {
		page.WriteString(" " + string(role) + " |")
	}
	page.WriteString("\n|---|---|" + strings.Repeat(":-:|", len(party.Roles())) + "\n")
	for _, right := range auth.Rights() {
		page.WriteString("| `" + string(right.Permission) + "` | " + right.Means + "<br>" + right.MeansZH + " |")
		for _, role := range party.Roles() {
			mark := ""
			if auth.Can(role, right.Permission) {
				mark = "●"
			}
			page.WriteString(" " + mark + " |")
		}
		page.WriteString("\n")
	}
	return page.String()
}

// TestRightsPage keeps the page in step with the table.
func TestRightsPage(t *testing.T) {
	t.Parallel()
	const file = "../../docs/staff-rights.md"
	want := rightsPage()
	if os.Getenv("FEIQIAN_WRITE_DOCS") != "" {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v); FEIQIAN_WRITE_DOCS=1 writes it", file, err)
	}
	seen := map[auth.Permission]bool{} //nolint:exhaustive // it fills
	for _, right := range auth.Rights() {
		if seen[right.Permission] || right.Means == "" || right.MeansZH == "" || len(right.Roles) == 0 {
			t.Errorf("%s is twice or incomplete", right.Permission)
		}
		seen[right.Permission] = true
	}
}

func TestCan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		role       party.Role
		permission auth.Permission
		can        bool
	}{
		{party.RoleAdmin, auth.WriteStaff, true},
		{party.RoleAdmin, auth.CorrectLedger, false},
		{party.RoleFinance, auth.CorrectLedger, true},
		{party.RoleFinance, auth.WriteStaff, false},
		{party.RoleSupport, auth.RefundPayments, true},
		{party.RoleSupport, auth.ReadLedger, false},
		{"", auth.ReadPayments, false},
		{"root", auth.ReadPayments, false},
	} {
		if got := auth.Can(test.role, test.permission); got != test.can {
			t.Errorf("Can(%s, %s) = %v", test.role, test.permission, got)
		}
	}
	for _, role := range party.Roles() {
		if !auth.Can(role, auth.ReadPayments) {
			t.Errorf("%s is not in the table", role)
		}
	}
	for _, permission := range []auth.Permission{
		auth.WriteCustomers, auth.WriteMerchants, auth.RefundPayments, auth.CorrectLedger, auth.WriteSettlement,
		auth.WriteStaff, auth.Operate,
	} {
		if auth.Can(party.RoleAuditor, permission) {
			t.Errorf("an auditor can %s", permission)
		}
	}
}
