package checkout

import (
	"net/http"

	"golang.org/x/text/language"

	"github.com/feiqian/feiqian/internal/limit"
)

// lang is a language of the pages.
type lang string

const (
	zh lang = "zh"
	en lang = "en"
)

// langOf chooses the page's language: what the address says, else what the browser asks for, else Chinese.
func langOf(r *http.Request) lang {
	switch said := lang(r.URL.Query().Get("lang")); said {
	case zh, en:
		return said
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return zh
	}
	// The first one is also what is taken where none fits.
	if _, at, sure := language.NewMatcher([]language.Tag{language.English, language.Chinese}).Match(tags...); at == 1 ||
		sure == language.No && tags[0] == language.Und {
		return zh
	}
	return en
}

func (l lang) of(t limit.Text) string {
	if l == en {
		return t.English
	}
	return t.Chinese
}

// text returns a text of the pages by its name.
func (l lang) text(name string) string { return l.of(texts[name]) }

// texts are the pages' texts.
var texts = map[string]limit.Text{ //nolint:gochecknoglobals // a table
	"order":           {Chinese: "订单", English: "Order"},
	"ways":            {Chinese: "付款方式", English: "Ways to pay"},
	"left":            {Chinese: "剩余时间", English: "Time left"},
	"best":            {Chinese: "推荐", English: "Best"},
	"phone_number":    {Chinese: "手机号", English: "Phone number"},
	"password":        {Chinese: "登录密码", English: "Password"},
	"code_new_device": {Chinese: "短信验证码（新设备）", English: "Code from the text message (new device)"},
	"sign_in":         {Chinese: "登录", English: "Sign in"},
	"leave":           {Chinese: "退出", English: "Sign out"},
	"pin":             {Chinese: "支付密码（6 位数字）", English: "Payment PIN (6 digits)"},
	"second":          {Chinese: "短信验证码，或身份验证器的动态码", English: "Code from a text message, or of your authenticator app"},
	"send_code":       {Chinese: "发送验证码", English: "Send code"},
	"pay":             {Chinese: "付款", English: "Pay"},
	"passkey":         {Chinese: "用通行密钥付款", English: "Pay with a passkey"},
	"no_script": {
		Chinese: "浏览器不运行脚本：请用手机钱包扫码付款", English: "Your browser runs no scripts: scan the code with the wallet on your phone",
	},
	"code_alt":  {Chinese: "付款二维码", English: "QR code of this payment"},
	"scan_with": {Chinese: "用飞钱钱包或手机相机扫码付款", English: "Scan it with the Feiqian wallet or the phone's camera"},
	"alone":     {Chinese: "在单独的页面付款", English: "Pay in a window of its own"},
	"cancel":    {Chinese: "不付款，返回商户", English: "Return to the shop without paying"},
	"how_much":  {Chinese: "付款金额", English: "Amount to pay"},
	"go_on":     {Chinese: "去付款", English: "Go on to pay"},
	"back":      {Chinese: "返回商户", English: "Back to the shop"},
	"back_note": {
		Chinese: "付款结果以系统记录为准，商户会自行查询",
		English: "The shop reads the result itself; nothing is lost if you stay here",
	},
	"sandbox": {Chinese: "沙箱环境，不使用真钱", English: "Sandbox: no real money"},
	"title":   {Chinese: "收银台", English: "Checkout"},

	"paid":       {Chinese: "付款成功", English: "Paid"},
	"authorized": {Chinese: "已确认", English: "Confirmed"},
	"authorized_more": {
		Chinese: "金额已为商户预留，由商户扣款；未扣的部分会自动退回",
		English: "The amount is set aside for the shop, which takes what is due; the rest is yours again",
	},
	"escrow": {
		Chinese: "担保交易：您确认收货后，款项才付给商户",
		English: "In escrow: the shop gets the money when you say that you have the goods",
	},
	"most":    {Chinese: "商户最多可扣", English: "The shop may take at most"},
	"pending": {Chinese: "正在处理", English: "In progress"},
	"pending_more": {
		Chinese: "银行正在扣款，结果确定前请勿重复付款",
		English: "The bank is deciding; you are charged once at most. This page shows the result",
	},
	"pay_with": {Chinese: "用什么付", English: "Pay with"},
	"declined": {Chinese: "付款未成功", English: "Not paid: declined"},
	"expired":  {Chinese: "付款已超时关闭", English: "The time to pay is over"},
	"voided":   {Chinese: "商户已取消这笔付款", English: "The shop called this payment off"},
	"closed":   {Chinese: "这笔付款已关闭", English: "This payment is closed"},
	"not_charged": {
		Chinese: "没有扣款。如需付款，请回到商户重新下单", English: "You were not charged. To pay, begin again at the shop",
	},

	"not_found": {Chinese: "页面不存在", English: "There is no such page"},
	"not_found_more": {
		Chinese: "请检查链接是否完整，或向商户要一个新的",
		English: "See whether the address is whole, or ask the shop for a new one",
	},
	"failed":        {Chinese: "出错了，请重试", English: "Something went wrong, try again"},
	"taken_down":    {Chinese: "平台已停止此收款", English: "The platform has stopped these payments"},
	"link_disabled": {Chinese: "商户已停用此链接", English: "The shop has taken this link back"},
	"link_expired":  {Chinese: "此链接已过期", English: "This link is over"},
	"link_used_up":  {Chinese: "此链接已达使用次数", English: "This link was used as often as it may be"},
	"code_over":     {Chinese: "此收款码已停用", English: "This code takes no more payments"},
	"not_active":    {Chinese: "商户暂时不能收款", English: "The shop can't take payments now"},
	"not_payable":   {Chinese: "商户不能收这个金额", English: "The shop can't take this amount"},
	"not_payable_more": {
		Chinese: "没有扣款。请换一个金额，或联系商户",
		English: "You were not charged. Choose another amount, or ask the shop",
	},
	"bad_amount":  {Chinese: "请输入正确的金额", English: "Enter a right amount"},
	"person":      {Chinese: "向个人付款", English: "Pay a person"},
	"person_more": {Chinese: "请打开飞钱钱包扫描此码", English: "Open the Feiqian wallet and scan this code with it"},
	"via_wechat": {
		Chinese: "此处尚未开通微信支付。可用飞钱钱包付款。",
		English: "WeChat Pay is not available here yet. You can pay with the Feiqian wallet.",
	},
	"via_alipay": {
		Chinese: "此处尚未开通支付宝。可用飞钱钱包付款。",
		English: "Alipay is not available here yet. You can pay with the Feiqian wallet.",
	},
	"via_unionpay": {
		Chinese: "此处尚未开通云闪付。可用飞钱钱包付款。",
		English: "UnionPay is not available here yet. You can pay with the Feiqian wallet.",
	},
	"too_many": {Chinese: "请求过多，请稍后再试", English: "Too many requests, try again later"},
	"not_here": {Chinese: "暂不可用", English: "Not available"},
}

// scriptTexts are what the page's script says; names with a dot are codes of problems.
var scriptTexts = map[string]limit.Text{ //nolint:gochecknoglobals // a table
	"network": {Chinese: "网络不通，请重试；不会重复扣款", English: "No connection, try again: you are charged once at most"},
	"failed":  {Chinese: "出错了，请重试", English: "Something went wrong, try again"},
	"device":  {Chinese: "收银台网页", English: "Checkout page"},
	"no_pin":  {Chinese: "还没有支付密码，请先在钱包里设置", English: "You have no payment PIN yet: set one in your wallet"},
	"paid":    {Chinese: "付款成功", English: "Paid"},
	"can_pay": {Chinese: "余额现可付", English: "Balance, now payable:"},
	"two_factors": {
		Chinese: "这笔付款还需要一个验证码", English: "this payment needs a code too",
	},
	"only_passkey":    {Chinese: "这笔付款要用通行密钥确认", English: "this payment needs your passkey"},
	"code_sent":       {Chinese: "验证码已发送", English: "A code is on its way"},
	"second_missing":  {Chinese: "请输入验证码", English: "Enter the code"},
	"bank_decides":    {Chinese: "银行正在扣款…", English: "The bank is deciding…"},
	"card_declined":   {Chinese: "银行卡未能付款，没有扣款，请换一种方式", English: "The card was declined, not charged: choose another way"},
	"passkey_refused": {Chinese: "没有用上通行密钥", English: "The passkey was not used"},

	"auth.bad_credentials":       {Chinese: "手机号或密码不对", English: "Phone number or password is wrong"},
	"auth.bad_pin":               {Chinese: "支付密码是 6 位数字", English: "The payment PIN is six digits"},
	"auth.pin_wrong":             {Chinese: "支付密码不对", English: "The payment PIN is wrong"},
	"auth.pin_locked":            {Chinese: "支付密码已锁定，请稍后再试", English: "The payment PIN is locked, try later"},
	"auth.code_wrong":            {Chinese: "验证码不对", English: "The code is wrong"},
	"auth.code_invalid":          {Chinese: "验证码已失效，请重新发送", English: "The code holds no more, send another"},
	"auth.totp_wrong":            {Chinese: "动态码不对", English: "The app's code is wrong"},
	"auth.login_locked":          {Chinese: "登录已锁定，请稍后再试", English: "Signing in is locked, try later"},
	"auth.session_invalid":       {Chinese: "登录已失效，请重新登录", English: "Your session is over, sign in again"},
	"auth.code_wait":             {Chinese: "刚刚已发送过，请稍等再发", English: "A code was just sent, wait a little"},
	"auth.step_up_required":      {Chinese: "这笔付款需要更多验证", English: "This payment needs more proof"},
	"payment.insufficient_funds": {Chinese: "余额不足，请先充值", English: "Your balance is too low: top up first"},
	"payment.expired":            {Chinese: "付款时间已过", English: "The time to pay is over"},
	"payment.taken_down": {
		Chinese: "平台已停止此收款，没有扣款", English: "The platform has stopped these payments; you were not charged",
	},
	"payment.not_payable": {
		Chinese: "商户不能收这个金额，没有扣款", English: "The shop can't take this amount; you were not charged",
	},
	"qr.amount_required": {Chinese: "请输入金额", English: "Enter an amount"},
}
