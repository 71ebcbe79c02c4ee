#include "resources.h"

#include <type_traits>

#include "xa_tm/mysql/datasource.h"
#include "xa_tm/postgres/datasource.h"

namespace xa_tm::test {
namespace {

template <class D>
class TypedResource final : public Resource {
public:
    explicit TypedResource(D& datasource) : datasource_{datasource} {}

    [[nodiscard]] const std::string& name() const override { return datasource_.name(); }
    [[nodiscard]] bool is_postgresql() const override {
        return std::is_same_v<D, postgres::Datasource>;
    }
    [[nodiscard]] soci::session& enlist(Transaction& transaction) override {
        return transaction.enlist(datasource_).sql();
    }
    [[nodiscard]] Branch branch_of(Transaction& transaction) override {
        return transaction.enlist(datasource_);
    }
    [[nodiscard]] Datasource& datasource() override { return datasource_; }

private:
    D& datasource_;
};

}  // namespace

std::unique_ptr<Resource> Resource::add(TransactionManager& manager, const std::string& name,
                                        const std::string& uri, DatasourceOptions options) {
    if (uri.starts_with("postgres")) {
        return std::make_unique<TypedResource<postgres::Datasource>>(
            manager.add<postgres::Datasource>(name, uri, options));
    }
    return std::make_unique<TypedResource<mysql::Datasource>>(
        manager.add<mysql::Datasource>(name, uri, options));
}

}  // namespace xa_tm::test
