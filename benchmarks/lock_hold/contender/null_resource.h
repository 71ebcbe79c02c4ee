#pragma once

#include "xa_tm/branch.h"
#include "xa_tm/datasource.h"

namespace xa_tm::bench {

/// A resource that answers XA_OK to every verb at once and does nothing.
class NullResource final : public Datasource {
public:
    class Branch : public xa_tm::Branch {
    public:
        explicit Branch(const xa_tm::Branch& branch) noexcept : xa_tm::Branch{branch} {}

        /// Opens the transaction's branches.
        void open() const { std::ignore = connection(); }
    };

    using Datasource::Datasource;

    [[nodiscard]] std::string_view kind() const noexcept override { return "null"; }
    [[nodiscard]] std::unique_ptr<Connection> connect(const SessionMark& mark) override;
};

}  // namespace xa_tm::bench
