package message

import "strings"

// Template names a text. A code stands in the text it was asked for and nowhere else.
type Template string

// The templates.
const (
	CodeRegister   Template = "code.register"
	CodeSignIn     Template = "code.sign_in"
	CodePay        Template = "code.pay"
	CodeReset      Template = "code.reset_password"
	NoticeDevice   Template = "notice.new_device"
	NoticePIN      Template = "notice.pin_reset"
	NoticePassword Template = "notice.password_reset"
)

// Values fill a template: {code} by "code".
type Values map[string]string

type language int

const (
	english language = iota
	chinese
)

// languageOf guesses what the owner of a number reads: nobody has said it yet.
func languageOf(phone string) language {
	if strings.HasPrefix(phone, "+86") {
		return chinese
	}
	return english
}

// texts are all templates, in English and in Chinese. What is asked for stands before the code, so that who reads a
// code aloud has read what for.
func texts() map[Template][2]string {
	return map[Template][2]string{
		CodeRegister: {
			"Feiqian: your code to open a wallet is {code}. Valid for {minutes} minutes. We never ask for it by phone.",
			"【飞钱】您正在注册飞钱钱包，验证码 {code}，{minutes} 分钟内有效。任何人索取均为诈骗，请勿告知。",
		},
		CodeSignIn: {
			"Feiqian: your code to sign in on a new device is {code}. Valid for {minutes} minutes. Was it not " +
				"you? Change your password.",
			"【飞钱】您正在新设备上登录，验证码 {code}，{minutes} 分钟内有效。如非本人操作，请尽快修改登录密码。",
		},
		CodePay: {
			"Feiqian: to pay {amount} to {payee}, enter the code {code}. Valid for {minutes} minutes. Nothing " +
				"else is paid with it.",
			"【飞钱】您正在向{payee}支付 {amount}，验证码 {code}，{minutes} 分钟内有效，仅限本次支付。请勿告知他人。",
		},
		CodeReset: {
			"Feiqian: your code to set a new login password is {code}. Valid for {minutes} minutes. Was it not " +
				"you? Tell nobody the code.",
			"【飞钱】您正在重置登录密码，验证码 {code}，{minutes} 分钟内有效。如非本人操作，请勿告知他人。",
		},
		NoticePIN: {
			"Feiqian: your payment PIN was reset. For 24 hours the wallet pays small sums only. Was it not you? " +
				"Put the old PIN back in the app.",
			"【飞钱】您的支付密码已重置，24 小时内仅可小额支付。如非本人操作，请在应用中用原支付密码恢复。",
		},
		NoticePassword: {
			"Feiqian: your login password was reset and all devices were signed out. For 24 hours the wallet " +
				"pays small sums only. Was it not you? Call us.",
			"【飞钱】您的登录密码已重置，所有设备已退出，24 小时内仅可小额支付。如非本人操作，请立即联系客服冻结钱包。",
		},
		NoticeDevice: {
			"Feiqian: your wallet was opened on a new device ({device}). Was it not you? Sign it out in the app " +
				"and change your password.",
			"【飞钱】您的钱包刚刚在新设备（{device}）上登录。如非本人操作，请立即在应用中移除该设备并修改密码。",
		},
	}
}

// render fills a template. A line break would let a value, such as a device's name, look like a text of its own.
func render(t Template, l language, values Values) string {
	pairs := make([]string, 0, 2*len(values))
	for name, value := range values {
		pairs = append(pairs, "{"+name+"}", strings.Map(func(r rune) rune {
			if r < ' ' || r == '\u2028' || r == '\u2029' {
				return ' '
			}
			return r
		}, value))
	}
	return strings.NewReplacer(pairs...).Replace(texts()[t][l])
}
