package auth

import (
	"slices"

	"github.com/feiqian/feiqian/internal/party"
)

// Permission names one thing that staff may do.
type Permission string

// The permissions of staff. Rights says what each means and who has it.
const (
	ReadCustomers   Permission = "customers.read"
	WriteCustomers  Permission = "customers.write"
	ReadIdentity    Permission = "identity.read"
	ReviewIdentity  Permission = "identity.review"
	ExportCustomers Permission = "customers.export"
	EraseCustomers  Permission = "customers.erase"
	ReadMerchants   Permission = "merchants.read"
	WriteMerchants  Permission = "merchants.write"
	// ReviewApplications is its own permission: who applies on a company's behalf does not also decide.
	ReviewApplications Permission = "applications.review"
	ReadPayments       Permission = "payments.read"
	RefundPayments     Permission = "payments.refund"
	TakeDowns          Permission = "payments.take_down"
	ReadLedger         Permission = "ledger.read"
	CorrectLedger      Permission = "ledger.correct"
	ReadSettlement     Permission = "settlement.read"
	WriteSettlement    Permission = "settlement.write"
	ReadLimits         Permission = "limits.read"
	WriteLimits        Permission = "limits.write"
	ReadAudit          Permission = "audit.read"
	ReadStaff          Permission = "staff.read"
	WriteStaff         Permission = "staff.write"
	ApproveActs        Permission = "proposals.approve"
	ReadBlocks         Permission = "blocks.read"
	WriteBlocks        Permission = "blocks.write"
	Operate            Permission = "system.operate"
)

// Right is a line of the table of rights.
type Right struct {
	Permission Permission
	// Roles hold the permission.
	Roles []party.Role
	// Means and MeansZH say what may be done with it, in English and in Chinese.
	Means, MeansZH string
}

// Rights is the table of what each role may do; docs/staff-rights.md shows it. Nobody who corrects the books may also
// act on customers, who makes staff moves no money, and the auditor changes nothing.
func Rights() []Right {
	const (
		admin, finance, risk = party.RoleAdmin, party.RoleFinance, party.RoleRisk
		comp, support, aud   = party.RoleCompliance, party.RoleSupport, party.RoleAuditor
	)
	roles := func(all ...party.Role) []party.Role { return all }
	return []Right{
		{ReadCustomers, roles(admin, risk, comp, support, aud), "read customers", "查看客户"},
		{
			WriteCustomers,
			roles(admin, risk, comp, support),
			"freeze, thaw and close wallets, revoke devices",
			"冻结、解冻、注销钱包，吊销设备",
		},
		{ReadIdentity, roles(risk, comp, aud), "read real-name verifications, masked", "查看实名认证（脱敏）"},
		{
			ReviewIdentity,
			roles(comp),
			"see document images, approve, refuse, ask for verification again",
			"查看证件影像，审核实名认证，要求重新认证",
		},
		{
			ExportCustomers,
			roles(comp),
			"export all that is held about a customer, a merchant's user or an application",
			"导出客户、商户用户或入驻申请的全部个人信息",
		},
		{
			EraseCustomers,
			roles(comp),
			"erase closed customers, users and applications as far as the law lets",
			"在法律允许范围内删除已注销客户、商户用户及入驻申请的信息",
		},
		{ReadMerchants, roles(admin, finance, risk, comp, support, aud), "read merchants", "查看商户"},
		{
			WriteMerchants, roles(admin),
			"create and freeze merchants, their terms and keys, apply on a company's behalf",
			"新增、冻结商户，维护费率与密钥，代企业提交入驻申请",
		},
		{
			ReviewApplications, roles(comp),
			"read merchants' applications unmasked with their documents, approve, refuse, ask for more",
			"查看商户入驻申请（未脱敏）及资料，批准、拒绝或要求补充",
		},
		{ReadPayments, roles(admin, finance, risk, comp, support, aud), "read payments and attempts", "查看支付与渠道尝试"},
		{RefundPayments, roles(finance, support), "refund payments", "退款"},
		{
			TakeDowns, roles(risk, comp),
			"take merchants' payment pages, links and codes down, and restore them",
			"下架商户的收款页、收款链接和收款码，以及恢复",
		},
		{ReadLedger, roles(admin, finance, aud), "read the books", "查看账簿"},
		{CorrectLedger, roles(finance), "propose manual entries", "提交手工记账"},
		{ReadSettlement, roles(admin, finance, aud), "read settlements", "查看结算"},
		{WriteSettlement, roles(finance), "settle, pay out, resolve breaks", "结算、出款、处理差错"},
		{ReadLimits, roles(admin, finance, risk, comp, support, aud), "read limits", "查看限额"},
		{WriteLimits, roles(risk), "tighten limits", "收紧限额"},
		{ReadAudit, roles(admin, comp, aud), "search and export the audit trail", "查询与导出审计记录"},
		{ReadStaff, roles(admin, comp, aud), "read staff", "查看员工"},
		{WriteStaff, roles(admin), "create staff, set roles, suspend", "新增员工、调整角色、停用员工"},
		{
			ApproveActs,
			roles(admin, finance, risk, comp),
			"decide others' proposals, with the permission of the act itself",
			"复核他人提交的申请（仍须具备该操作本身的权限）",
		},
		{ReadBlocks, roles(admin, risk, comp, aud), "see who is kept out at the edge", "查看边缘封禁"},
		{WriteBlocks, roles(admin, risk), "keep addresses and callers out, lift blocks", "封禁地址或调用方，解除封禁"},
		{Operate, roles(admin), "jobs, data keys, the sandbox's clock", "后台任务、数据密钥、沙箱时钟"},
	}
}

// Permissions lists what a role may do; an unknown role has none.
func Permissions(role party.Role) []Permission {
	var held []Permission
	for _, right := range Rights() {
		if slices.Contains(right.Roles, role) {
			held = append(held, right.Permission)
		}
	}
	return held
}

// Can reports whether a role has a permission; an unknown role has none.
func Can(role party.Role, permission Permission) bool {
	return slices.Contains(Permissions(role), permission)
}
