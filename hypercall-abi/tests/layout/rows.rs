//! The macro that turns the list into rows.

/// Size of the field that `get` reads.
pub const fn field_size<S, F>(_get: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// Defines `rows()` and `items()` from the list: by module, its constants, type names, structs
/// with their fields, and expressions over its functions.
///
/// The name in C is the name in Rust; where it is not, `= "..."` gives the C type or expression
/// (and `sized "..."` the size, where the C type goes on beyond the Rust struct).
macro_rules! abi_list {
    ($(mod $($module:ident)::+ {
        consts { $($constant:ident)* }
        types { $($alias:ident $(= $alias_c:literal)?)* }
        structs { $(
            $name:ident $(= $c:literal)? $(sized $size:literal)? {
                $($field:ident $(= $field_c:literal)?)*
            }
        )* }
        exprs { $($function:ident($($argument:expr),*) $(= $call_c:literal)?;)* }
    })*) => {
        /// Every comparison that the list stands for.
        pub fn rows() -> Vec<Row> {
            let mut rows = Vec::new();
            $({
                use hypercall_abi::$($module)::+::*;
                #[allow(unused_imports)]
                use hypercall_abi::xen::guest_handle;
                let module = concat!($(stringify!($module), "::"),+);
                #[allow(unused_mut)]
                let mut row = |kind: &str, name: &str, rust: i128, c: String| {
                    rows.push(Row::number(format!("{kind}{module}{name}"), rust, c));
                };
                $(row("", stringify!($constant), $constant as i128, stringify!($constant).into());)*
                $(
                    let c = either!($($alias_c)?, stringify!($alias));
                    row("size of ", stringify!($alias), size_of::<$alias>() as i128, format!("sizeof({c})"));
                    row("align of ", stringify!($alias), align_of::<$alias>() as i128, format!("__alignof__({c})"));
                )*
                $(
                    let name = stringify!($name);
                    let c = either!($($c)?, concat!("struct ", stringify!($name)));
                    let size = option!($($size)?).map_or(format!("sizeof({c})"), String::from);
                    row("size of ", name, size_of::<$name>() as i128, size);
                    row("align of ", name, align_of::<$name>() as i128, format!("__alignof__({c})"));
                    $(
                        let field = stringify!($field).trim_start_matches("r#");
                        let path = format!("{name}.{field}");
                        let offset = core::mem::offset_of!($name, $field) as i128;
                        let offset_c = option!($($field_c)?)
                            .map_or(format!("offsetof({c}, {field})"), String::from);
                        row("offset of ", &path, offset, offset_c);
                        if option!($($field_c)?).is_none() {
                            let size = crate::rows::field_size(|s: &$name| &s.$field) as i128;
                            row("size of ", &path, size, format!("sizeof((({c} *)0)->{field})"));
                        }
                    )*
                )*
                $(
                    let call = concat!(stringify!($function), "(", $(stringify!($argument), ", ",)* ")");
                    let c = either!($($call_c)?, concat!(stringify!($function), "(", stringify!($($argument),*), ")"));
                    row("", call, $function($($argument),*) as i128, c.into());
                )*
            })*
            rows
        }

        /// The names of everything in the list, as the scan of the source spells them.
        pub fn items() -> BTreeSet<String> {
            let mut items = BTreeSet::new();
            $(
                $(items.insert(stringify!($constant).to_owned());)*
                $(items.insert(stringify!($alias).to_owned());)*
                $(
                    items.insert(stringify!($name).to_owned());
                    $(items.insert(format!(
                        "{}.{}",
                        stringify!($name),
                        stringify!($field).trim_start_matches("r#")
                    ));)*
                )*
                $(items.insert(stringify!($function).to_owned());)*
            )*
            items
        }
    };
}

/// The first literal if there is one, else the fallback.
macro_rules! either {
    (, $fallback:expr) => {
        $fallback
    };
    ($given:literal, $fallback:expr) => {
        $given
    };
}

/// The literal, if there is one.
macro_rules! option {
    () => {
        None::<&str>
    };
    ($given:literal) => {
        Some($given)
    };
}
