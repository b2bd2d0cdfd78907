//! How does a key look on a backend, and how is one found and deleted by hand?
//!
//! A backend stores an entry under a text of one line: the name of the region, a colon, the key, an `@`, the schema, a
//! point and the number of the codec.
//!
//! | the key of a region `order`, schema 3 | is stored under |
//! |---|---|
//! | `"anna"` | `order:anna@3.2` |
//! | `7_u64` | `order:7@3.2` |
//! | `("anna", 7)` | `order:anna,7@3.2` |
//! | `"50% (new)"` | `order:50%25%20%28new%29@3.2` |
//! | `"größe"` | `order:größe@3.2` |
//!
//! The module [`key`](crate::key) has the whole table and its rules. Text stays readable; what has a meaning in a key,
//! cannot be seen, or is no UTF-8 becomes `%XX`.
//!
//! # What a key can be
//!
//! Numbers, texts, bytes, `bool`, `char`, tuples, `Option`s, and types of your own: see
//! [`KeyWriter`](crate::key::KeyWriter). In a `Region<str, V>` accesses take a `&str`, and a `String` is made only for
//! a key that this process does not know.
//!
//! ```
//! use dogpile_cache::Region;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let minute = Duration::from_secs(60);
//!     let pages = Region::builder("page").expires_after(minute).build::<str, u32>()?;
//!     assert_eq!(*pages.get("/index").or_create(async || 1).await?, 1);
//!
//!     let lines = Region::builder("line").expires_after(minute).build::<(String, u32), u32>()?;
//!     assert_eq!(*lines.get(&("anna".to_owned(), 7)).or_create(async || 2).await?, 2);
//!     Ok(())
//! }
//! ```
//!
//! # Two keys are never one
//!
//! Different keys have different texts (law [G13](super::guarantees#g13-keys-do-not-collide)), also tuples whose parts
//! contain commas. The name of a region has no colon, so no two regions share a key. A key that is longer than its
//! backend takes is cut, and SHA-256 of the whole key takes the place of the rest. The entry then has the whole key in
//! it, and an entry of another key is no value.
//!
//! # By hand
//!
//! [`StoredKey`](crate::key::StoredKey) says how a key is stored, without a region:
//!
//! ```
//! use dogpile_cache::backend::{Backend, Change, Memory};
//! use dogpile_cache::codec::{Format, Shape};
//! use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
//! use dogpile_cache::Region;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memory = Arc::new(Memory::new());
//!     let orders = Region::builder("order").far(memory.clone()).schema(3).expires_after(Duration::from_secs(60));
//!     let orders = orders.build::<str, u32>()?;
//!     orders.set("anna", 1).await?;
//!
//!     let shape = Shape { schema: 3, format: Format::MESSAGE_PACK };
//!     let key = StoredKey::new(&Namespace::new("order")?, "anna", shape, KeyLimit::NONE);
//!     assert_eq!((key.full(), key.place()), ("order:anna@3.2", "order:anna"));
//!
//!     // An operator deletes the entry: a miss, and no harm.
//!     memory.change(&key, Change::Invalidate { beside: vec![], void_pause: Duration::ZERO }).await?;
//!     assert!(orders.get("anna").value().await?.is_none());
//!     Ok(())
//! }
//! ```
//!
//! On a server an operator will look for `order:` to see the entries of a region. A command of the server that deletes
//! an entry need not void the creation that is under way, which then publishes what it has read before.
//! [`Region::invalidate`](crate::Region::invalidate) voids it.
//!
//! # Schemas, and what lies beside
//!
//! The schema is the number that the program gives to the type of the values. A build with another number reads no
//! entry of the old one, and the other way round: during a deploy both lie side by side.
//!
//! An invalidation reaches the entries of its own schema, and of those that the region was built
//! [`beside`](crate::RegionBuilder::beside). So a change of the type takes two releases: the old type with
//! `.beside(next)` first, then the new type with `.schema(next).beside(old)`.
//!
//! ```
//! use dogpile_cache::backend::Memory;
//! use dogpile_cache::Region;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (memory, minute) = (Arc::new(Memory::new()), Duration::from_secs(60));
//!     let builder = || Region::builder("order").far(memory.clone()).expires_after(minute);
//!     let old = builder().schema(3).beside(4).build::<str, u32>()?;
//!     let new = builder().schema(4).beside(3).build::<str, String>()?; // the type has changed
//!
//!     old.set("anna", 1).await?;
//!     assert!(new.get("anna").value().await?.is_none());
//!     new.set("anna", "one".to_owned()).await?;
//!     assert_eq!(*old.get("anna").value().await?.unwrap(), 1);
//!
//!     old.invalidate("anna").await?; // both
//!     assert!(old.get("anna").value().await?.is_none() && new.get("anna").value().await?.is_none());
//!     Ok(())
//! }
//! ```
//!
//! A [`set`](crate::Region::set) reaches its own schema alone. So while two schemas are in use, a program invalidates.
