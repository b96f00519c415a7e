//! One error for the whole program: a stable code, what it is about, and what to do. No HTTP in it.
//!
//! An error is data (`code`, `field`, `value`, `expected`); its sentences, in English and Chinese, come from
//! [`Code::texts`], the only table of messages. So the same refusal reads the same in a response, in an import's
//! dry run and on the command line.

use serde::Serialize;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. The names are part of the API: clients may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    InvalidParameter,
    UnknownParameter,
    InvalidBody,
    InvalidGeometry,
    SwappedAxes,
    InvalidFilter,
    UnknownLayer,
    UnknownProperty,
    RequiredMissing,
    InvalidValue,
    UnknownEnumValue,
    OutOfRange,
    WrongUnit,
    InvalidReference,
    DuplicateCode,
    DuplicateKey,
    ReadOnly,
    NotFound,
    VersionMismatch,
    Referenced,
    Overdraw,
    InvalidTransition,
    RuleBroken,
    InvalidDefinition,
    DefinitionConflict,
    TooLarge,
    TooComplex,
    UnsupportedMedia,
    UnsupportedCrs,
    InvalidFile,
    InvalidConfig,
    MethodNotAllowed,
    Forbidden,
    LogGap,
    StoreUnavailable,
    Deadlock,
    OutcomeUnknown,
    Internal,
}

/// The sentences of one [`Code`]. `{f}`, `{v}` and `{e}` stand for field, value and what was expected.
pub struct Texts {
    pub title: [&'static str; 2],
    pub remedy: [&'static str; 2],
}

const fn t(en: &'static str, zh: &'static str, remedy_en: &'static str, remedy_zh: &'static str) -> Texts {
    Texts { title: [en, zh], remedy: [remedy_en, remedy_zh] }
}

impl Code {
    /// Title and remedy in English and Chinese.
    pub const fn texts(self) -> Texts {
        match self {
            Code::InvalidParameter => t("{f} can't be {v}", "参数 {f} 不能为 {v}", "Give {e}.", "请给出 {e}。"),
            Code::UnknownParameter => t("there is no parameter {f}", "没有参数 {f}", "Known here: {e}.", "可用参数:{e}。"),
            Code::InvalidBody => t("the body can't be read: {v}", "无法读取请求体:{v}", "Send {e}.", "请发送 {e}。"),
            Code::InvalidGeometry => t("the geometry in {f} is invalid: {v}", "{f} 的几何无效:{v}", "Give {e}.", "请给出 {e}。"),
            Code::SwappedAxes => {
                t("{f} looks like latitude,longitude: {v}", "{f} 像是纬度在前:{v}", "Put longitude first: {e}.", "请将经度放在前面:{e}。")
            }
            Code::InvalidFilter => {
                t("the filter in {f} can't be used: {v}", "{f} 中的筛选条件不可用:{v}", "Write CQL2: {e}.", "请使用 CQL2:{e}。")
            }
            Code::UnknownLayer => t("there is no layer {v}", "没有图层 {v}", "Layers: {e}.", "可用图层:{e}。"),
            Code::UnknownProperty => t("there is no property {f} here", "此图层没有字段 {f}", "Properties: {e}.", "可用字段:{e}。"),
            Code::RequiredMissing => t("{f} is missing", "缺少 {f}", "Give {e}.", "请填写 {e}。"),
            Code::InvalidValue => t("{f} can't be {v}", "{f} 的值 {v} 无效", "Give {e}.", "请给出 {e}。"),
            Code::UnknownEnumValue => t("{f} has no value {v}", "{f} 没有取值 {v}", "One of: {e}.", "可选:{e}。"),
            Code::OutOfRange => t("{f} is out of range: {v}", "{f} 超出范围:{v}", "Give {e}.", "应为 {e}。"),
            Code::WrongUnit => {
                t("{f} is given in {v}", "{f} 的单位为 {v}", "It is kept in {e}; convert it first.", "系统单位为 {e},请先换算。")
            }
            Code::InvalidReference => t(
                "{f} refers to {v}, which doesn't exist",
                "{f} 引用的 {v} 不存在",
                "Give the id or code of a feature of {e}.",
                "请给出 {e} 中要素的 id 或编码。",
            ),
            Code::DuplicateCode => {
                t("code {v} is taken", "编码 {v} 已被使用", "Change that feature, or give another code.", "请修改已有要素或换一个编码。")
            }
            Code::DuplicateKey => t("{f} {v} exists already", "{f} {v} 已存在", "Change that feature instead.", "请修改已有要素。"),
            Code::ReadOnly => t("{f} can't be written", "{f} 不可写", "{e}.", "{e}。"),
            Code::NotFound => t("{f} {v} was not found", "未找到 {f} {v}", "Check the address: {e}.", "请核对:{e}。"),
            Code::VersionMismatch => t(
                "somebody changed {f} meanwhile: it is at version {v}",
                "{f} 已被他人修改,当前版本 {v}",
                "Read it again, and send your change with version {e}.",
                "请重新读取后以版本 {e} 提交。",
            ),
            Code::Referenced => {
                t("{f} is still referred to by {v}", "{f} 仍被 {v} 引用", "Delete or change these first: {e}.", "请先处理:{e}。")
            }
            Code::Overdraw => t("{f} would be overdrawn: {v}", "{f} 库存不足:{v}", "At most {e} can be taken.", "最多可用 {e}。"),
            Code::InvalidTransition => t("{f} can't be or become {v}", "{f} 不能为 {v}", "From here: {e}.", "当前可为:{e}。"),
            Code::RuleBroken => t("a rule of {f} doesn't hold: {v}", "不满足 {f} 的规则:{v}", "Give what fulfils {e}.", "请使其满足 {e}。"),
            Code::InvalidDefinition => t("the layer definition is wrong at {f}: {v}", "图层定义 {f} 有误:{v}", "{e}.", "{e}。"),
            Code::DefinitionConflict => {
                t("the table can't follow the definition at {f}: {v}", "数据表无法按定义 {f} 变更:{v}", "{e}.", "{e}。")
            }
            Code::TooLarge => t("{f} is too large: {v}", "{f} 过大:{v}", "At most {e}.", "上限为 {e}。"),
            Code::TooComplex => t("{f} is too complex: {v}", "{f} 过于复杂:{v}", "At most {e}.", "上限为 {e}。"),
            Code::UnsupportedMedia => t("{v} isn't served or taken here", "不支持 {v}", "Use {e}.", "请使用 {e}。"),
            Code::UnsupportedCrs => t("the coordinate system {v} isn't known", "未知坐标系 {v}", "One of: {e}.", "可选:{e}。"),
            Code::InvalidFile => t("{f} can't be read: {v}", "无法读取 {f}:{v}", "Give {e}.", "请提供 {e}。"),
            Code::InvalidConfig => t("the setting {f} can't be {v}", "设置 {f} 不能为 {v}", "Give {e}.", "请设为 {e}。"),
            Code::MethodNotAllowed => t("{v} isn't possible at {f}", "{f} 不支持 {v}", "Use {e}.", "请使用 {e}。"),
            Code::Forbidden => t("you may not do this: {v}", "无权操作:{v}", "{e}.", "{e}。"),
            Code::LogGap => t(
                "the change log doesn't reach back to {v}",
                "变更日志不含 {v} 之后的全部记录",
                "Read everything anew.",
                "请重新读取全部数据。",
            ),
            Code::StoreUnavailable => t(
                "the database doesn't answer: {v}",
                "数据库无响应:{v}",
                "Nothing was changed. Try again in a few seconds.",
                "未作任何更改,请稍后重试。",
            ),
            Code::Deadlock => {
                t("other writers were in the way: {v}", "与其他写入冲突:{v}", "Nothing was changed. Try again.", "未作任何更改,请重试。")
            }
            Code::OutcomeUnknown => t(
                "the database was lost while committing: {v}",
                "提交时与数据库失去联系:{v}",
                "It may have been written or not: read the current state before trying again.",
                "可能已写入,也可能未写入;请先重新读取再决定是否重试。",
            ),
            Code::Internal => t("a fault in the server: {v}", "服务器内部错误:{v}", "Please report it with the time.", "请附时间上报。"),
        }
    }
}

/// An error that says what it is about and what would be right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Error {
    pub code: Code,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// Further facts a program can use, as the current state after a lost race.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<serde_json::Value>>,
}

/// Input is quoted in errors only up to this many characters.
const QUOTE_MAX: usize = 200;

impl Error {
    pub fn new(code: Code, field: impl Into<String>, value: impl ToString, expected: impl ToString) -> Self {
        let value = value.to_string();
        let value = match value.char_indices().nth(QUOTE_MAX) {
            Some((cut, _)) => format!("{}…", &value[..cut]),
            None => value,
        };
        Self { code, field: field.into(), value, expected: expected.to_string(), details: None }
    }

    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same error about a field further out, as `features[3].capacity`.
    pub fn within(mut self, outer: &str) -> Self {
        self.field = if self.field.is_empty() { outer.to_owned() } else { format!("{outer}.{}", self.field) };
        self
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{f}", &self.field).replace("{e}", &self.expected).replace("{v}", &self.value)
    }
    /// What went wrong: `[English, Chinese]`.
    pub fn titles(&self) -> [String; 2] {
        self.code.texts().title.map(|text| self.fill(text))
    }
    /// What to do about it: `[English, Chinese]`.
    pub fn remedies(&self) -> [String; 2] {
        self.code.texts().remedy.map(|text| self.fill(text))
    }

    pub fn internal(what: impl ToString) -> Self {
        Self::new(Code::Internal, "", what, "")
    }
    pub fn unavailable(what: impl ToString) -> Self {
        Self::new(Code::StoreUnavailable, "", what, "")
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [title, title_zh] = self.titles();
        let [remedy, remedy_zh] = self.remedies();
        write!(f, "{title}. {remedy} / {title_zh}。{remedy_zh}")
    }
}

impl std::error::Error for Error {}
